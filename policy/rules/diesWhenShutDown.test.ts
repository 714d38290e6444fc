import { violations } from "../testing.ts";
import { diesWhenShutDown } from "./diesWhenShutDown.ts";

const type = "aws:ec2/instance:Instance";
const passing = { instanceInitiatedShutdownBehavior: "terminate" };

describe("dies-when-shut-down", () => {
  it("lets a right one pass", async () => {
    expect(await violations(diesWhenShutDown, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "a machine that stops only",
      { instanceInitiatedShutdownBehavior: "stop" },
      "stays, and its volume costs money, when it shuts down: set instanceInitiatedShutdownBehavior to terminate",
    ],
    [
      "what AWS does when nothing is said",
      { instanceInitiatedShutdownBehavior: undefined },
      "stays, and its volume costs money, when it shuts down: set instanceInitiatedShutdownBehavior to terminate",
    ],
    [
      "protection from termination",
      { disableApiTermination: true },
      "cannot be terminated by a sweep: remove disableApiTermination",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(diesWhenShutDown, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(diesWhenShutDown, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
