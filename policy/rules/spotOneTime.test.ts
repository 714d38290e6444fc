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
  it("lets a right one pass", async () => {
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
      "is a spot request that goes on for ever: set spotOptions.spotInstanceType to one-time",
    ],
    [
      "a machine that hibernates",
      {
        instanceMarketOptions: {
          marketType: "spot",
          spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "hibernate" },
        },
      },
      "stays when it is taken away: set spotOptions.instanceInterruptionBehavior to terminate",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(spotOneTime, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(spotOneTime, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
