import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify } from "../../stacks/local/process.ts";
import { choose } from "../commands/test.ts";
import { jestCounts, junitCounts, oneCheck } from "./counts.ts";
import { runSuites } from "./run.ts";
import { suites, type Suite } from "./suites.ts";

let folder: string;
let written: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lab-suites-"));
  written = "";
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (all: Suite[], totalMinutes?: number): Promise<boolean> =>
  runSuites(all, {
    env: process.env,
    folder,
    totalMinutes,
    output: {
      moving: false,
      write: (text) => {
        written += text;
      },
    },
  });

const shell = (name: string, script: string, more: Partial<Suite> = {}): Suite => ({
  name,
  what: "a shell script",
  command: ["bash", "-c", script],
  counter: oneCheck,
  minutes: 1,
  ...more,
});

const report = (tests: number, skipped: number): string =>
  `printf '<testsuite errors="0" failures="0" skipped="${skipped}" tests="${tests}">' >REPORT`;

/** What is read by whoever only looks at the last line. */
const lastLine = (): string | undefined => written.trimEnd().split("\n").at(-1);

describe("runSuites", () => {
  it("ends with the plain line over all runners", async () => {
    const pytest = shell("pytest", report(5, 2), { counter: junitCounts });
    await expect(run([shell("lint", "true"), pytest])).resolves.toBe(true);
    expect(lastLine()).toBe("4 passed, 0 failed, 2 skipped");
    expect(written).toMatch(/^pytest +3 +0 +2 +0\.\d s$/m);
  });

  it("fails when one suite fails, goes on with the others, and shows the end of what it printed", async () => {
    await expect(run([shell("bad", "echo the reason; exit 3"), shell("good", "true")])).resolves.toBe(false);
    expect(written).toContain("the reason\n");
    expect(lastLine()).toBe("1 passed, 1 failed, 0 skipped");
  });

  it("shows why, where the runner's report says so, and not the end of its log", async () => {
    const why = JSON.stringify({
      numPassedTests: 0,
      numFailedTests: 1,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [
        {
          name: "a.test.ts",
          status: "failed",
          assertionResults: [
            {
              status: "failed",
              fullName: "adds",
              failureMessages: ["Error: 1 is not 2\n    at adds (a.ts:1)"],
            },
          ],
        },
      ],
    });
    const jest = shell("jest", `echo the end of the log; printf '%s' '${why}' >REPORT; exit 1`, {
      counter: jestCounts,
    });
    await expect(run([jest])).resolves.toBe(false);
    expect(written).toContain("--- why adds\nError: 1 is not 2\n--- end of jest");
    expect(written).not.toContain("the end of the log");
  });

  it("fails when a suite ran no test, though its runner was content", async () => {
    await expect(run([shell("empty", report(0, 0), { counter: junitCounts })])).resolves.toBe(false);
    expect(written).toMatch(/^empty .* it ran no test$/m);
    expect(lastLine()).toBe("0 passed, 1 failed, 0 skipped");
  });

  it("ends a suite at its limit, with all that it has started", async () => {
    const marker = join(folder, "pid");
    const hang = shell("hang", `sleep 300 & echo $! >'${marker}'; wait`, { minutes: 1 / 60 });
    await expect(run([hang])).resolves.toBe(false);
    expect(written).toMatch(/^hang .* ended after its limit of 1\.0 s$/m);
    const pid = Number(readFileSync(marker, "utf8"));
    // Gone, or dead and not yet collected by whatever process 1 is here.
    expect(identify(pid)).toBeUndefined();
  });

  it("counts as failed what the time for all suites does not reach", async () => {
    await expect(run([shell("late", "true")], 0.4)).resolves.toBe(false);
    expect(written).toContain("not run: the time for all suites is used up");
  });

  it("counts as failed a program that is not there", async () => {
    const gone = shell("gone", "", { command: ["/no/such/program"] });
    await expect(run([gone])).resolves.toBe(false);
    expect(written).toMatch(/^gone .* it could not be started: .*ENOENT/m);
  });
});

describe("choose", () => {
  it("keeps the table's order, whatever the order asked for", () => {
    expect(choose(suites, "unit, lint").map((suite) => suite.name)).toEqual(["lint", "unit"]);
    // What takes longer than CI has is asked for by name.
    expect(choose(suites, undefined)).toEqual(suites.filter(({ name }) => name !== "long"));
    expect(choose(suites, "long").map((suite) => suite.name)).toEqual(["long"]);
  });

  it("names the suites when asked for one that does not exist", () => {
    expect(() => choose(suites, "units")).toThrow('there is no suite "units"; the suites: lint, ');
  });
});
