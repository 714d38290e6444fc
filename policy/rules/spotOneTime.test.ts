import { violations } from "../testing.ts";
import { spotOneTime } from "./spotOneTime.ts";

const type = "aws:ec2/instance:Instance";
const passing = {
  instanceMarketOptions: {
    marketType: "spot",
    spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "terminate" },
  },
};

describe("spot-one-time", () => {
  it("accepts a correct one", async () => {
    expect(await violations(spotOneTime, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "a persistent request",
      {
        instanceMarketOptions: {
          marketType: "spot",
          spotOptions: { spotInstanceType: "persistent", instanceInterruptionBehavior: "terminate" },
        },
      },
      "is a persistent spot request: set spotOptions.spotInstanceType to one-time",
    ],
    [
      "a machine that hibernates",
      {
        instanceMarketOptions: {
          marketType: "spot",
          spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "hibernate" },
        },
      },
      "is not terminated when AWS reclaims it: set spotOptions.instanceInterruptionBehavior to terminate",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(spotOneTime, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(spotOneTime, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
