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

  it("lets the widest ranges pass that are not everybody, and none that is one bit wider", async () => {
    const faults = (inputs: object) => violations(noWideIngress, type, inputs);
    for (const inputs of [
      { cidrIpv4: "10.0.0.0/8" },
      { cidrIpv6: "2001:db8::/32" },
      { cidrIpv4: "10.0.0.0/16" },
    ])
      expect(await faults(inputs)).toEqual([]);
    for (const inputs of [{ cidrIpv4: "10.0.0.0/7" }, { cidrIpv6: "2001:db8::/31" }])
      expect(await faults(inputs)).toHaveLength(1);
    // Not known yet, or no range: another rule's business.
    for (const cidrIpv4 of [undefined, 7, "", "10.0.0.0/0/x"]) expect(await faults({ cidrIpv4 })).toEqual([]);
  });

  it("looks at no other type", async () => {
    expect(await violations(noWideIngress, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
