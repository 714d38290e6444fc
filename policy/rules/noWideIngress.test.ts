import { violations } from "../testing.ts";
import { noWideIngress } from "./noWideIngress.ts";

const type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const passing = { cidrIpv4: "203.0.113.7/32" };

describe("no-wide-ingress", () => {
  it("lets a right one pass", async () => {
    expect(await violations(noWideIngress, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    ["everybody", { cidrIpv4: "0.0.0.0/0" }, "lets in 0.0.0.0/0: name the address that you come from"],
    [
      "half of everybody",
      { cidrIpv4: "128.0.0.0/1" },
      "lets in 128.0.0.0/1: name the address that you come from",
    ],
    ["everybody by IPv6", { cidrIpv6: "::/0" }, "lets in ::/0: name the address that you come from"],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(noWideIngress, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(noWideIngress, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
