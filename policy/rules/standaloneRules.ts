/** Rules inside a group and beside it undo each other at every update. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forType } from "../rule.ts";

export const standaloneRules: ResourceValidationPolicy = {
  name: "standalone-rules",
  description: "Rules of security groups are resources of their own.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:ec2/securityGroup:SecurityGroup", (inputs) =>
    (["ingress", "egress"] as const)
      .filter((direction) => Array.isArray(inputs[direction]) && inputs[direction].length > 0)
      .map(
        (direction) =>
          `has ${direction} rules of its own: make each an aws.vpc.SecurityGroup${direction === "ingress" ? "Ingress" : "Egress"}Rule`,
      ),
  ),
};
