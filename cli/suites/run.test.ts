import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify } from "../../workshop/process.ts";
import { choose } from "../commands/test.ts";
import { fileCounts, oneCheck } from "./counts.ts";
import { runSuites, type RunOptions } from "./run.ts";
import { suites, type Suite } from "./suites.ts";

let folder: string;
let written: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lab-suites-"));
  written = "";
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (all: Suite[], more: Partial<RunOptions> = {}): Promise<boolean> =>
  runSuites(all, {
    env: process.env,
    folder,
    ...more,
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

/** A script that prints a report like pytest's. */
function printReport(passed: number, skipped: number): string {
  const named = '<testcase name="t" file="tests/test_a.py"';
  const cases = [`${named} />`.repeat(passed), `${named}><skipped /></testcase>`.repeat(skipped)];
  return `printf '%s' '<testsuite>${cases.join("")}</testsuite>'`;
}

const report = (passed: number, skipped: number): string => `${printReport(passed, skipped)} >REPORT`;

/** The last line of the output. */
const lastLine = (): string | undefined => written.trimEnd().split("\n").at(-1);

describe("runSuites", () => {
  it("ends with a line with the counts of all runners", async () => {
    const pytest = shell("pytest", report(3, 2), { counter: fileCounts });
    await expect(run([shell("lint", "true"), pytest])).resolves.toBe(true);
    expect(lastLine()).toBe("4 passed, 0 failed, 2 skipped");
    expect(written).toMatch(/^pytest +3 +0 +2 +0\.\d s$/m);
  });

  it("fails if one suite fails, continues with the others, and shows the end of its output", async () => {
    await expect(run([shell("bad", "echo the reason; exit 3"), shell("good", "true")])).resolves.toBe(false);
    expect(written).toContain("the reason\n");
    expect(lastLine()).toBe("1 passed, 1 failed, 0 skipped");
  });

  it("shows the reason from the runner's report in place of the end of its log", async () => {
    const why = JSON.stringify({
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
      counter: fileCounts,
    });
    await expect(run([jest])).resolves.toBe(false);
    expect(written).toContain("--- why adds\nError: 1 is not 2\n--- end of jest");
    expect(written).not.toContain("the end of the log");
  });

  it("fails if a suite ran no test, even if its runner succeeds", async () => {
    await expect(run([shell("empty", report(0, 0), { counter: fileCounts })])).resolves.toBe(false);
    expect(written).toMatch(/^empty .* it ran no test$/m);
    expect(lastLine()).toBe("0 passed, 1 failed, 0 skipped");
  });

  it("ends a suite at its time limit, with all its processes", async () => {
    const marker = join(folder, "pid");
    const hang = shell("hang", `sleep 300 & echo $! >'${marker}'; wait`, { minutes: 1 / 60 });
    await expect(run([hang])).resolves.toBe(false);
    expect(written).toMatch(/^hang .* ended after its limit of 1\.0 s$/m);
    const pid = Number(readFileSync(marker, "utf8"));
    // The process has ended, or is a zombie that process 1 has not collected yet.
    expect(identify(pid)).toBeUndefined();
  });

  it("waits for and ends a runner's processes, even if they closed their output and ignore SIGTERM", async () => {
    const pid = join(folder, "pid");
    const deaf = `(trap "" INT TERM; exec >/dev/null 2>&1; echo $BASHPID >${pid}; sleep 300) & until [ -s ${pid} ]; do :; done`;
    await run([shell("leaves", deaf)]);
    expect(identify(Number(readFileSync(pid, "utf8")))).toBeUndefined();
  });

  it("counts suites that the total time limit does not reach as failed", async () => {
    await expect(run([shell("late", "true")], { totalMinutes: 0.4 })).resolves.toBe(false);
    expect(written).toContain("not run: the time for all suites is used up");
  });

  it("runs suites in parallel while there are cores, and lists them in order", async () => {
    const meet = (own: string, other: string): string =>
      `touch '${folder}/${own}'; for try in $(seq 600); do [ -e '${folder}/${other}' ] && exit 0; sleep 0.05; done; exit 1`;
    const pair = [shell("first", meet("a", "b")), shell("second", meet("b", "a"))];
    await expect(run(pair, { cores: 2 })).resolves.toBe(true);
    expect(written).toMatch(/\nfirst .*\nsecond /);
  });

  it("runs a suite that needs all cores alone", async () => {
    const alone = `! [ -e '${folder}/busy' ] && touch '${folder}/busy' && sleep 0.3 && rm '${folder}/busy'`;
    const all = [1, 2, 3].map((n) => shell(`s${n}`, alone, { cores: 2 }));
    await expect(run(all, { cores: 2 })).resolves.toBe(true);
  });

  it("counts a missing program as failed", async () => {
    const gone = shell("gone", "", { command: ["/no/such/program"] });
    await expect(run([gone])).resolves.toBe(false);
    expect(written).toMatch(/^gone .* could not be started: .*ENOENT/m);
  });
});

describe("a file that failed, run again", () => {
  const tests = (file: string, ...states: string[]): object => ({
    name: file,
    status: states.includes("failed") ? "failed" : "passed",
    assertionResults: states.map((status, index) => ({
      status,
      fullName: `${file} ${index}`,
      failureMessages: status === "failed" ? ["Error: too late"] : [],
    })),
  });
  /** A runner that writes these reports one after the other, and records which files it was told to run. */
  const runner = (...reports: (readonly object[])[]): Suite => {
    reports.forEach((testResults, index) =>
      writeFileSync(join(folder, `${index}.json`), JSON.stringify({ testResults })),
    );
    writeFileSync(join(folder, "told"), "");
    const script = `echo "files: $*" >>'${folder}/told'; n=$(($(wc -l <'${folder}/told') - 1))
cp '${folder}'/$n.json REPORT; ! grep -q '"failed"' '${folder}'/$n.json`;
    return {
      ...shell("jest", script, { counter: fileCounts, byFile: true }),
      command: ["bash", "-c", script, "jest"],
    };
  };
  const told = (): string[] => readFileSync(join(folder, "told"), "utf8").trimEnd().split("\n");

  it("should pass, name the flaky tests and the reason, and run no other file again", async () => {
    const jest = runner(
      [tests("a", "passed"), tests("b", "passed", "failed")],
      [tests("b", "passed", "passed")],
    );
    await expect(run([jest], { again: true })).resolves.toBe(true);
    expect(told()).toEqual(["files: ", "files: b"]);
    expect(written).toContain("\n1 flaky (more than 1 fails the run)\n");
    expect(written).toContain(
      "flaky: b 1: failed, and passed when run again; it failed for:\nError: too late\n",
    );
    expect(lastLine()).toBe("3 passed, 0 failed, 0 skipped");
  });

  it("should also work for pytest, with the file from its report", async () => {
    const failed = `<testcase name="t" file="tests/test_a.py"><error message="m">E  TimeoutError</error></testcase>`;
    const other = `<testcase name="t" file="tests/test_b.py" />`;
    const script = `echo "files: $*" >>'${folder}/told'; exec >REPORT
[ $# = 1 ] && { ${printReport(1, 0)}; exit; }
printf '%s' '<testsuite>${failed}${other}</testsuite>'; exit 1`;
    const pytest = shell("pytest", "", {
      command: ["bash", "-c", script, "pytest"],
      counter: fileCounts,
      byFile: true,
    });
    await expect(run([pytest], { again: true })).resolves.toBe(true);
    expect(told()).toEqual(["files: ", "files: tests/test_a.py"]);
    expect(written).toContain("flaky: tests/test_a.py::t: failed, and passed when run again");
    expect(written).toContain("E  TimeoutError\n");
    expect(lastLine()).toBe("2 passed, 0 failed, 0 skipped");
  });

  it("should run in parallel with another file if that was so the first time", async () => {
    const jest = runner(
      [tests("a", "passed"), tests("b", "failed")],
      [tests("a", "passed"), tests("b", "passed")],
    );
    await expect(run([{ ...jest, cores: 2 }], { again: true })).resolves.toBe(true);
    expect(told()).toEqual(["files: ", "files: b a"]);
    expect(lastLine()).toBe("2 passed, 0 failed, 0 skipped");
  });

  it("should take no time from a suite that has not run yet", async () => {
    const jest = runner([tests("b", "failed")], [tests("b", "passed")]);
    const lab = shell("lab", `cp '${folder}/told' '${folder}/told-before'`);
    await expect(run([jest, lab], { again: true, cores: 1 })).resolves.toBe(true);
    expect(readFileSync(join(folder, "told-before"), "utf8")).toBe("files: \n");
    expect(told()).toEqual(["files: ", "files: b"]);
  });

  it("should fail the run if two tests are flaky", async () => {
    const jest = runner([tests("b", "failed", "failed")], [tests("b", "passed", "passed")]);
    await expect(run([jest], { again: true })).resolves.toBe(false);
    expect(written).toContain("\n2 flaky (more than 1 fails the run)\n");
    expect(lastLine()).toBe("2 passed, 0 failed, 0 skipped");
  });

  it("should fail if it fails again, and count each test once", async () => {
    const failing = [tests("b", "passed", "failed")];
    await expect(run([runner([tests("a", "passed"), ...failing], failing)], { again: true })).resolves.toBe(
      false,
    );
    expect(lastLine()).toBe("2 passed, 1 failed, 0 skipped");
    expect(written).not.toContain("flaky");
  });

  it("should not be run again if much is broken, if the suite has no files, or without --again", async () => {
    const all = [tests("a", "failed"), tests("b", "failed"), tests("c", "failed")];
    const tryIt = async (count: number, more: Partial<Suite>, again: boolean): Promise<void> => {
      const suite = { ...runner(all.slice(0, count)), ...more };
      await expect(run([suite], { again })).resolves.toBe(false);
      expect(told()).toEqual(["files:"]);
    };
    await tryIt(3, {}, true);
    await tryIt(2, { byFile: undefined }, true);
    await tryIt(2, {}, false);
  });
});

describe("choose", () => {
  it("keeps the table's order for any order of arguments", () => {
    expect(choose(suites, "unit, lint").map((suite) => suite.name)).toEqual(["lint", "unit"]);
    // Suites that take longer than CI allows run only by name.
    expect(choose(suites, undefined)).toEqual(
      suites.filter(({ name }) => !["long", "mutation"].includes(name)),
    );
    expect(choose(suites, "long").map((suite) => suite.name)).toEqual(["long"]);
  });

  it("names the suites if the given one does not exist", () => {
    expect(() => choose(suites, "units")).toThrow('there is no suite "units"; the suites: lint, ');
  });

  it("finds the suite of a test file, and runs only that file", () => {
    const [suite, ...others] = choose(suites, "stacks/local/vm.vm.test.ts, workshop/lock.test.ts");
    expect([suite!.name, ...others.map(({ name }) => name)]).toEqual(["unit", "vm"]);
    expect(suite!.command.at(-1)).toBe("workshop/lock.test.ts");
    expect(others[0]!.command.slice(-1)).toEqual(["stacks/local/vm.vm.test.ts"]);
  });

  it("reports a missing test file", () => {
    expect(() => choose(suites, "stacks/nothing.vm.test.ts")).toThrow(
      "there is no file stacks/nothing.vm.test.ts",
    );
  });
});
