/** A persistent spot request makes new machines that no state knows, after each that was taken away. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { at, forType } from "../rule.ts";

export const spotOneTime: ResourceValidationPolicy = {
  name: "spot-one-time",
  description: "Spot machines are asked for once, and terminated when taken away.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:ec2/instance:Instance", (inputs) => {
    if (at(inputs, "instanceMarketOptions", "marketType") !== "spot") return [];
    const spot = at(inputs, "instanceMarketOptions", "spotOptions");
    return [
      ...(at(spot, "spotInstanceType") === "one-time"
        ? []
        : ["is a spot request that goes on for ever: set spotOptions.spotInstanceType to one-time"]),
      ...(at(spot, "instanceInterruptionBehavior") === "terminate"
        ? []
        : ["stays when it is taken away: set spotOptions.instanceInterruptionBehavior to terminate"]),
    ];
  }),
};
