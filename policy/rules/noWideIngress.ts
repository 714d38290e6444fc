/** Only specific addresses may connect: no rule admits the whole Internet, or most of it. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { list } from "../machines.ts";
import { at, forType, type Inputs } from "../rule.ts";

export const noWideIngress: ResourceValidationPolicy = {
  name: "no-wide-ingress",
  description: "No ingress from 0.0.0.0/0, ::/0 or ranges wider than /8.",
  enforcementLevel: "mandatory",
  validateResource: [
    forType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", (inputs) =>
      wide([inputs.cidrIpv4, inputs.cidrIpv6]),
    ),
    forType("aws:ec2/securityGroupRule:SecurityGroupRule", (inputs) =>
      inputs.type === "egress" ? [] : wide(blocks(inputs)),
    ),
    forType("aws:ec2/securityGroup:SecurityGroup", inside),
    forType("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", inside),
  ],
};

function inside(inputs: Inputs): string[] {
  return wide(list(inputs.ingress).flatMap(blocks));
}

function blocks(rule: unknown): unknown[] {
  return [...list(at(rule, "cidrBlocks")), ...list(at(rule, "ipv6CidrBlocks"))];
}

/** Reports each range that is nearly the whole Internet: wider than /8, or than /32 for IPv6. */
function wide(ranges: readonly unknown[]): string[] {
  return ranges
    .filter((range) => prefix(range) < (String(range).includes(":") ? 32 : 8))
    .map((range) => `allows ingress from ${String(range)}: name the address that you connect from`);
}

/** Prefix length of an address range; 128 if the value is not a range, or is not known yet. */
function prefix(cidr: unknown): number {
  const length = typeof cidr === "string" ? /\/(\d+)$/.exec(cidr)?.[1] : undefined;
  return length === undefined ? 128 : Number(length);
}
