import { violations } from "../testing.ts";
import { noWideIngress } from "./noWideIngress.ts";

const type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const passing = { cidrIpv4: "203.0.113.7/32" };

describe("no-wide-ingress", () => {
  it("accepts a correct one", async () => {
    expect(await violations(noWideIngress, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "everybody",
      { cidrIpv4: "0.0.0.0/0" },
      "allows ingress from 0.0.0.0/0: name the address that you connect from",
    ],
    [
      "half of everybody",
      { cidrIpv4: "128.0.0.0/1" },
      "allows ingress from 128.0.0.0/1: name the address that you connect from",
    ],
    [
      "everybody by IPv6",
      { cidrIpv6: "::/0" },
      "allows ingress from ::/0: name the address that you connect from",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(noWideIngress, type, { ...passing, ...change })).toEqual([message]);
  });

  it("accepts ranges up to the limit, and none that is one bit wider", async () => {
    const faults = (inputs: object) => violations(noWideIngress, type, inputs);
    for (const inputs of [
      { cidrIpv4: "10.0.0.0/8" },
      { cidrIpv6: "2001:db8::/32" },
      { cidrIpv4: "10.0.0.0/16" },
    ])
      expect(await faults(inputs)).toEqual([]);
    for (const inputs of [{ cidrIpv4: "10.0.0.0/7" }, { cidrIpv6: "2001:db8::/31" }])
      expect(await faults(inputs)).toHaveLength(1);
    // The rule ignores values that are unknown or not a range.
    for (const cidrIpv4 of [undefined, 7, "", "10.0.0.0/0/x"]) expect(await faults({ cidrIpv4 })).toEqual([]);
  });

  it("looks at no other type", async () => {
    expect(await violations(noWideIngress, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
