import { advice, errorsIn } from "./eventLog.ts";

const event = (severity: string, message: string): string =>
  JSON.stringify({ sequence: 1, timestamp: 1, diagnosticEvent: { severity, message, color: "never" } });
const full = "operation error EC2: RunInstances, api error InsufficientInstanceCapacity: no m6i.large";

describe("errorsIn", () => {
  it("gives the errors of a log, each once, and nothing that is no error", () => {
    const log = [event("error", full), event("warning", "slow"), event("error", full), '{"summaryEvent":{}}'];
    expect(errorsIn(log.join("\n"))).toEqual([full]);
  });

  it("reads what is there of a log whose writer was killed", () => {
    expect(errorsIn(`${event("error", full)}\n{"sequence":2,"diagnosticEv`)).toEqual([full]);
    expect(errorsIn("")).toEqual([]);
  });
});

describe("advice", () => {
  it("says once what to do about each kind of failure", () => {
    const lines = advice([full, `${full} again`, "api error VcpuLimitExceeded: limit of 5", "exit status 1"]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^AWS says InsufficientInstanceCapacity\. .*aws\.availabilityZone.*run the same/,
    );
    expect(lines[1]).toMatch(/^AWS says VcpuLimitExceeded\./);
  });

  it("has nothing to say about errors that AWS has no part in", () => {
    expect(advice(["juicefs-format: exit status 1"])).toEqual([]);
  });
});
