import { violations } from "../testing.ts";
import { standaloneRules } from "./standaloneRules.ts";

const type = "aws:ec2/securityGroup:SecurityGroup";
const passing = { description: "nodes", ingress: [], egress: [] };

describe("standalone-rules", () => {
  it("accepts a correct one", async () => {
    expect(await violations(standaloneRules, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "ingress inside",
      { ingress: [{ protocol: "tcp", fromPort: 22, toPort: 22, cidrBlocks: ["203.0.113.7/32"] }] },
      "has inline ingress rules: make each an aws.vpc.SecurityGroupIngressRule",
    ],
    [
      "egress inside",
      { egress: [{ protocol: "-1", fromPort: 0, toPort: 0 }] },
      "has inline egress rules: make each an aws.vpc.SecurityGroupEgressRule",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(standaloneRules, type, { ...passing, ...change })).toEqual([message]);
  });

  it("refuses rules of the older type, and names the type that replaces them", async () => {
    for (const [kind, resource] of [
      ["ingress", "aws.vpc.SecurityGroupIngressRule"],
      ["egress", "aws.vpc.SecurityGroupEgressRule"],
    ] as const)
      expect(
        await violations(standaloneRules, "aws:ec2/securityGroupRule:SecurityGroupRule", { type: kind }),
      ).toEqual([expect.stringMatching(new RegExp(`older type.* ${resource}$`))]);
  });

  it("looks at no other type", async () => {
    expect(await violations(standaloneRules, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
