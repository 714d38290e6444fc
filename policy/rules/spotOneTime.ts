/** Spot requests are one-time: a persistent one replaces each reclaimed machine with a new one that is in no state file. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";

export const spotOneTime: ResourceValidationPolicy = {
  name: "spot-one-time",
  description: "Spot requests are one-time, and machines are terminated when AWS reclaims them.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ spot, spotAt }) =>
    spot
      ? [
          ...(spot.type === "one-time"
            ? []
            : [`is a persistent spot request: set ${spotAt.type} to one-time`]),
          ...(spot.interruption === "terminate"
            ? []
            : [`is not terminated when AWS reclaims it: set ${spotAt.interruption} to terminate`]),
        ]
      : [],
  ),
};
