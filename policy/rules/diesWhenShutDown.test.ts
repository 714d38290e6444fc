import { violations } from "../testing.ts";
import { diesWhenShutDown } from "./diesWhenShutDown.ts";

const type = "aws:ec2/instance:Instance";
const passing = { instanceInitiatedShutdownBehavior: "terminate" };

describe("dies-when-shut-down", () => {
  it("accepts a correct one", async () => {
    expect(await violations(diesWhenShutDown, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "a machine that only stops",
      { instanceInitiatedShutdownBehavior: "stop" },
      "is only stopped when it shuts down, and its volume continues to cost money: set instanceInitiatedShutdownBehavior to terminate",
    ],
    [
      "AWS's default",
      { instanceInitiatedShutdownBehavior: undefined },
      "is only stopped when it shuts down, and its volume continues to cost money: set instanceInitiatedShutdownBehavior to terminate",
    ],
    [
      "protection from termination",
      { disableApiTermination: true },
      "cannot be terminated by ./lab sweep: remove disableApiTermination",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(diesWhenShutDown, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(diesWhenShutDown, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
