/** Spot requests are one-time: a persistent one replaces each reclaimed machine by a new one that is in no state file. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";

export const spotOneTime: ResourceValidationPolicy = {
  name: "spot-one-time",
  description: "Spot machines are asked for once, and terminated when taken away.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ spot, spotAt }) =>
    spot
      ? [
          ...(spot.type === "one-time"
            ? []
            : [`is a spot request that goes on for ever: set ${spotAt.type} to one-time`]),
          ...(spot.interruption === "terminate"
            ? []
            : [`stays when it is taken away: set ${spotAt.interruption} to terminate`]),
        ]
      : [],
  ),
};
