/** Security group rules are separate resources: rules inside a group and separate rules would undo each other at every update. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { list } from "../machines.ts";
import { forType, type Inputs } from "../rule.ts";

export const standaloneRules: ResourceValidationPolicy = {
  name: "standalone-rules",
  description: "Security group rules are separate resources.",
  enforcementLevel: "mandatory",
  validateResource: [
    forType("aws:ec2/securityGroup:SecurityGroup", inside),
    forType("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", inside),
    forType("aws:ec2/securityGroupRule:SecurityGroupRule", ({ type }) => [
      `is a rule of the older type, which rules of the new type undo: make it an ${resourceFor(type === "egress" ? "egress" : "ingress")}`,
    ]),
  ],
};

function inside(inputs: Inputs): string[] {
  return (["ingress", "egress"] as const)
    .filter((direction) => list(inputs[direction]).length > 0)
    .map((direction) => `has inline ${direction} rules: make each an ${resourceFor(direction)}`);
}

const resourceFor = (direction: "ingress" | "egress"): string =>
  `aws.vpc.SecurityGroup${direction === "ingress" ? "Ingress" : "Egress"}Rule`;
