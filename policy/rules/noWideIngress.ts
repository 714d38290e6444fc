/** Nobody but who was named comes in: no rule is for the whole Internet, or most of it. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forType } from "../rule.ts";

export const noWideIngress: ResourceValidationPolicy = {
  name: "no-wide-ingress",
  description: "No ingress from 0.0.0.0/0, ::/0 or ranges wider than /8.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", (inputs) => [
    ...(prefix(inputs.cidrIpv4) < 8
      ? [`lets in ${String(inputs.cidrIpv4)}: name the address that you come from`]
      : []),
    ...(prefix(inputs.cidrIpv6) < 32
      ? [`lets in ${String(inputs.cidrIpv6)}: name the address that you come from`]
      : []),
  ]),
};

/** Prefix length of an address range; of no range, or one that is not known yet, the longest. */
function prefix(cidr: unknown): number {
  const length = typeof cidr === "string" ? /\/(\d+)$/.exec(cidr)?.[1] : undefined;
  return length === undefined ? 128 : Number(length);
}
