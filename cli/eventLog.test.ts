import { execFileSync } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";
import { advice, errorsIn, EventLog } from "./eventLog.ts";

const event = (severity: string, message: string): string =>
  JSON.stringify({ sequence: 1, timestamp: 1, diagnosticEvent: { severity, message, color: "never" } });
const full = "operation error EC2: RunInstances, api error InsufficientInstanceCapacity: no m6i.large";

describe("EventLog", () => {
  it("is written by another program and read here, and leaves no file", () => {
    const log = new EventLog();
    const path = log.options.at(-1)!;
    const name = readlinkSync(path);
    expect(name).toMatch(/ \(deleted\)$/);
    expect(existsSync(dirname(name))).toBe(false);
    expect(log.errors()).toEqual([]);
    // Like the engine: first for the preview, then from the beginning for the update.
    for (const message of ["of the preview", full])
      execFileSync("sh", ["-c", 'printf "%s\\n" "$1" >"$0"', path, event("error", message)]);
    expect(log.errors()).toEqual([full]);
    log.remove();
    expect(() => log.errors()).toThrow();
  });
});

describe("errorsIn", () => {
  it("are the errors of a log, each once", () => {
    const log = [event("error", full), event("warning", "slow"), event("error", full), '{"summaryEvent":{}}'];
    expect(errorsIn(log.join("\n"))).toEqual([full]);
  });

  it("are read from the log of a writer that was killed", () => {
    expect(errorsIn(`${event("error", full)}\n{"sequence":2,"diagnosticEv`)).toEqual([full]);
    expect(errorsIn("")).toEqual([]);
  });
});

describe("advice", () => {
  it("is given once for each kind of failure", () => {
    const lines = advice([full, `${full} again`, "api error VcpuLimitExceeded: limit of 5", "exit status 1"]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^AWS says InsufficientInstanceCapacity\. .*aws\.availabilityZone.*run the same/,
    );
    expect(lines[1]).toMatch(/^AWS says VcpuLimitExceeded\./);
  });

  it("is empty for errors that are not from AWS", () => {
    expect(advice(["juicefs-format: exit status 1"])).toEqual([]);
  });
});
