/** Reads the number of tests from a test runner's report. */
import { existsSync, readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { readFileReport } from "./fileReport.ts";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Names of the failed and of the skipped tests, if the report has them. */
  readonly failures: readonly string[];
  /** The reasons of those `failures` for which the report has one. */
  readonly reasons?: Readonly<Record<string, string>>;
  readonly skips: readonly string[];
}

/** Reads the report in a file, given the exit status of the runner. */
export type Counter = (report: string, exitCode: number) => Counts;

const none: Counts = { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };

/** For a program without a report: one check, by its exit status. */
export const oneCheck: Counter = (_report, exitCode) =>
  exitCode === 0 ? { ...none, passed: 1 } : { ...none, failed: 1 };

/**
 * Reports with an entry for each test file: jest's `--json`, pytest's JUnit XML. A file that could not be loaded has no tests, and
 * counts as one failed test.
 */
export const fileCounts: Counter = (report, exitCode) => {
  if (!existsSync(report)) return withExit(none, exitCode);
  const result = readFileReport(report);
  const broken = result.testResults
    .filter(
      (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
    )
    .map((file) => file.name);
  const names = (...states: string[]): string[] =>
    result.testResults
      .flatMap((file) => file.assertionResults)
      .filter((test) => states.includes(test.status))
      .map((test) => test.fullName);
  const reasons = result.testResults
    .flatMap((file) => file.assertionResults)
    .map((test) => [test.fullName, withoutStack((test.failureMessages ?? []).join("\n"))] as const)
    .filter(([, reason]) => reason !== "");
  const failures = [...names("failed"), ...broken];
  const skips = names("pending", "todo", "skipped");
  return withExit(
    {
      passed: names("passed").length,
      failed: failures.length,
      skipped: skips.length,
      failures,
      reasons: Object.fromEntries(reasons),
      skips,
    },
    exitCode,
  );
};

/** Only the message: the stack trace is in the log. */
function withoutStack(message: string): string {
  return stripVTControlCharacters(message)
    .split("\n")
    .filter((line) => !/^ +at /.test(line))
    .join("\n");
}

/** TAP, as shell tests print it: `ok 1 - title`, `not ok 2 - title`, and the plan `1..2`. */
export const tapCounts: Counter = (report, exitCode) => {
  if (!existsSync(report)) return withExit(none, exitCode);
  const lines = readFileSync(report, "utf8").split("\n");
  const titles = (state: string): string[] =>
    lines.flatMap((line) => new RegExp(`^${state} \\d+ - (.*)$`).exec(line)?.[1] ?? []);
  const [passed, failures] = [titles("ok"), titles("not ok")];
  const planned = Number(lines.map((line) => /^1\.\.(\d+)$/.exec(line)?.[1]).find(Boolean) ?? 0);
  // Fewer tests than planned, or no plan: it ended early.
  const missing = Math.max(planned - passed.length - failures.length, planned === 0 ? 1 : 0);
  return withExit(
    { passed: passed.length, failed: failures.length + missing, skipped: 0, failures, skips: [] },
    exitCode,
  );
};

/** A runner that failed has at least one failure, whatever its report says. */
function withExit(counts: Counts, exitCode: number): Counts {
  return exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Sums over suites. */
export function total(all: readonly Counts[]): Counts {
  return {
    passed: all.reduce((sum, each) => sum + each.passed, 0),
    failed: all.reduce((sum, each) => sum + each.failed, 0),
    skipped: all.reduce((sum, each) => sum + each.skipped, 0),
    failures: all.flatMap((each) => each.failures),
    skips: all.flatMap((each) => each.skips),
  };
}

/** The plain line that closes a run. */
export function closingLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
