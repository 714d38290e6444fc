/** Runs test suites, in parallel if there are enough cores, each with a deadline, and reports the results. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { inCheckout, inLab } from "../../workshop/checkout.ts";
import { duration, Ticker, type Output } from "../setup/runner.ts";
import { closingLine, total, type Counts } from "./counts.ts";
import { failedFiles, readFileReport, replaceResults } from "./fileReport.ts";
import type { Suite } from "./suites.ts";

export interface SuiteResult {
  readonly suite: Suite;
  readonly counts: Counts;
  readonly milliseconds: number;
  /** Why it failed, if not because of a failed test. */
  readonly problem?: string;
  /** Everything it printed. */
  readonly log: string;
  /** Tests that failed at first and passed when their file ran again, and the reason of the failure. */
  readonly flaky?: readonly { readonly name: string; readonly why: string }[];
}

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Folder for reports and logs. */
  readonly folder?: string;
  readonly output?: Output;
  /** Time limit for all suites; suites that exceed it have failed. */
  readonly totalMinutes?: number;
  /** Whether to run a failed test file once more, and report that. */
  readonly again?: boolean;
  /** Cores to share between suites. Default: those of this machine. */
  readonly cores?: number;
}

/** Maximum number of failed files that are run again; with more, it is not a coincidence. */
const filesAgain = 2;
/** Maximum number of flaky tests in a run; with more, the run has failed. */
const flakyAllowed = 1;

const standardOutput: Output = {
  moving: process.stdout.isTTY && process.env.TERM !== "dumb",
  write: (text) => process.stdout.write(text),
};

/** Runs the suites, and prints the table and the closing line. True if every test of every suite passed. */
export async function runSuites(suites: readonly Suite[], options: RunOptions): Promise<boolean> {
  const output = options.output ?? standardOutput;
  const folder = options.folder ?? inLab("test");
  mkdirSync(folder, { recursive: true });
  const end = performance.now() + (options.totalMinutes ?? Infinity) * 60_000;
  const cores = options.cores ?? availableParallelism();
  const interruption = watchForInterrupt();
  // A terminal can show only one moving line: concurrent suites print a line now and then.
  const shared = {
    ...output,
    moving: output.moving && !suites.some((suite) => coresOf(suite, cores) < cores),
  };
  const run = (each: Suite): Promise<SuiteResult> =>
    runSuite(each, folder, end, shared, options.env, interruption.signal);
  const results = await sideBySide(suites, cores, interruption.signal, async (suite) => {
    const result = await run(suite);
    output.write(`${resultLine(result)}\n`);
    if (isBad(result)) output.write(failureText(result));
    return result;
  });
  // After all suites: no second try may take the time that a suite needs for its first.
  if (options.again === true) {
    for (const [index, first] of results.entries()) {
      if (interruption.signal.aborted) break;
      const files = filesToRunAgain(first, folder);
      if (files.length > 0) results[index] = await runAgain(first, files, run, folder, output);
    }
  }
  interruption.stop();
  const sum = total(results.map((result) => result.counts));
  output.write("\nsuite        passed  failed  skipped      time\n");
  for (const result of results) output.write(`${resultLine(result)}\n`);
  for (const name of sum.skips) output.write(`skipped: ${name}\n`);
  const flaky = results.flatMap((result) => result.flaky ?? []);
  for (const { name, why } of flaky) {
    output.write(
      `flaky: ${name}: failed, and passed when run again; it failed for:\n${firstLines(why, 20)}\n`,
    );
  }
  const notRun = suites.slice(results.length).map((suite) => suite.name);
  if (notRun.length > 0) output.write(`interrupted; not run: ${notRun.join(", ")}\n`);
  if (flaky.length > 0) output.write(`${flaky.length} flaky (more than ${flakyAllowed} fails the run)\n`);
  output.write(`${closingLine(sum)}\n`);
  return notRun.length === 0 && !results.some(isBad) && flaky.length <= flakyAllowed;
}

const coresOf = (suite: Suite, cores: number): number => Math.min(suite.cores ?? 1, cores);

/** Runs the work for each suite, in order, as many at a time as the cores allow. Results are in the suites' order. */
async function sideBySide(
  suites: readonly Suite[],
  cores: number,
  interrupted: AbortSignal,
  work: (suite: Suite) => Promise<SuiteResult>,
): Promise<SuiteResult[]> {
  const results: SuiteResult[] = [];
  const running = new Set<Promise<void>>();
  let busy = 0;
  for (const [index, suite] of suites.entries()) {
    const needed = coresOf(suite, cores);
    while (busy + needed > cores) await Promise.race(running);
    if (interrupted.aborted) break;
    busy += needed;
    const task: Promise<void> = work(suite).then((result) => {
      results[index] = result;
      busy -= needed;
      running.delete(task);
    });
    running.add(task);
  }
  await Promise.all(running);
  return results;
}

const reportOf = (suite: string, folder: string): string => `${folder}/${suite}.report`;

/** Runs some files of a suite again, and combines the results of both runs. */
async function runAgain(
  first: SuiteResult,
  files: readonly string[],
  run: (suite: Suite) => Promise<SuiteResult>,
  folder: string,
  output: Output,
): Promise<SuiteResult> {
  const { suite } = first;
  output.write(`${suite.name}: once more, to tell a flaw from an unlucky moment: ${files.join(", ")}\n`);
  // Together, as the first time: separately, a race between two files would not show again.
  const company = coresOf(suite, 2) > 1 ? otherFiles(reportOf(suite.name, folder), files).slice(0, 1) : [];
  const second = await run({
    ...suite,
    name: `${suite.name}-again`,
    command: [...suite.command, ...files, ...company],
  });
  if (isBad(second)) output.write(failureText(second));
  return together(first, second, folder);
}

function otherFiles(report: string, files: readonly string[]): string[] {
  return readFileReport(report)
    .testResults.map(({ name }) => name)
    .filter((name) => !files.includes(name));
}

/** The failed files, if running them again is useful; none for a suite that passed. */
function filesToRunAgain({ suite, problem }: SuiteResult, folder: string): readonly string[] {
  const report = reportOf(suite.name, folder);
  if (suite.byFile === undefined || problem !== undefined || !existsSync(report)) return [];
  const files = failedFiles(report);
  return files.length > filesAgain ? [] : files;
}

/** Combines both runs: for a file that ran twice, the second result counts; a test that passed only then is flaky. */
function together(first: SuiteResult, second: SuiteResult, folder: string): SuiteResult {
  const report = reportOf(first.suite.name, folder);
  const milliseconds = first.milliseconds + second.milliseconds;
  // The second run was aborted: the first result stands.
  if (second.problem !== undefined || !existsSync(reportOf(second.suite.name, folder))) {
    return { ...first, milliseconds };
  }
  replaceResults(report, reportOf(second.suite.name, folder));
  const counts = first.suite.counter(report, second.counts.failed > 0 ? 1 : 0);
  const flaky = first.counts.failures
    .filter((name) => !counts.failures.includes(name))
    .map((name) => ({ name, why: first.counts.reasons?.[name] ?? `see ${first.log}` }));
  return { ...first, counts, milliseconds, flaky };
}

const firstLines = (text: string, count: number): string => text.split("\n").slice(0, count).join("\n");

function isBad(result: SuiteResult): boolean {
  return result.counts.failed > 0 || result.problem !== undefined;
}

async function runSuite(
  suite: Suite,
  folder: string,
  end: number,
  output: Output,
  env: NodeJS.ProcessEnv,
  interrupted: AbortSignal,
): Promise<SuiteResult> {
  const log = `${folder}/${suite.name}.log`;
  const report = reportOf(suite.name, folder);
  rmSync(report, { force: true });
  const start = performance.now();
  const left = end - start;
  const failed = (problem: string): SuiteResult => ({
    suite,
    counts: { passed: 0, failed: 1, skipped: 0, failures: [], skips: [] },
    milliseconds: performance.now() - start,
    problem,
    log,
  });
  const file = openSync(log, "w");
  if (left < 30_000) {
    closeSync(file);
    return failed("not run: the time for all suites is used up");
  }

  const [program, ...args] = suite.command.map((word) => word.replace("REPORT", report));
  const ticker = new Ticker(output, suite.name, suite.what);
  // In its own process group, so that everything that a runner has started can be ended with it.
  const child = spawn(program ?? "", args, {
    cwd: inCheckout(suite.folder ?? ""),
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      writeSync(file, chunk);
      ticker.show(chunk.toString());
    });
  }
  const limit = Math.min(suite.minutes * 60_000, left);
  let problem: string | undefined;
  const stop = (why: string, signal: NodeJS.Signals): void => {
    problem ??= why;
    endGroup(child.pid, signal);
  };
  const timers = [
    setTimeout(() => stop(`ended after its limit of ${duration(limit)}`, "SIGTERM"), limit),
    setTimeout(() => endGroup(child.pid, "SIGKILL"), limit + 60_000),
  ];
  const onInterrupt = (): void => stop("interrupted", "SIGINT");
  interrupted.addEventListener("abort", onInterrupt);
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    const counts = suite.counter(report, code ?? 1);
    const ran = counts.passed + counts.failed;
    if (signal !== null) problem ??= `ended by ${signal}`;
    if (ran === 0) problem ??= "it ran no test";
    return problem !== undefined && counts.failed === 0
      ? { ...failed(problem), counts: { ...counts, failed: 1 } }
      : { suite, counts, milliseconds: performance.now() - start, problem, log };
  } catch (error) {
    return failed(`could not be started: ${(error as Error).message}`);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    interrupted.removeEventListener("abort", onInterrupt);
    await groupEnd(child.pid);
    ticker.end();
    closeSync(file);
  }
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has already ended.
  }
}

/**
 * Ends what a runner left in its process group, and waits until it is gone, because the next step searches for machines of tests
 * whose process has ended.
 */
async function groupEnd(pid: number | undefined): Promise<void> {
  const lives = (): boolean => {
    try {
      return pid !== undefined && process.kill(-pid, 0);
    } catch {
      return false;
    }
  };
  endGroup(pid, "SIGKILL");
  for (let tries = 0; tries < 100 && lives(); tries++) await sleep(100);
}

/** Aborts at the first Ctrl-C or TERM; the suite then ends orderly and the summary is still printed. */
function watchForInterrupt(): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, abort);
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of signals) process.off(signal, abort);
    },
  };
}

function resultLine({ suite, counts, milliseconds, problem }: SuiteResult): string {
  const cells = [counts.passed, counts.failed, counts.skipped].map(String);
  return [
    suite.name.padEnd(12),
    cells[0]?.padStart(6),
    cells[1]?.padStart(7),
    cells[2]?.padStart(8),
    duration(milliseconds).padStart(9),
    problem ?? "",
  ]
    .join(" ")
    .trimEnd();
}

/** The first reasons, since later ones are often their echo; or, where the runner gives none, the end of its log. */
function failureText({ suite, counts, log }: SuiteResult): string {
  const names = counts.failures.map((name) => `  failed: ${name}\n`).join("");
  const reasons = counts.failures.flatMap((name) => {
    const reason = counts.reasons?.[name];
    return reason ? [`--- why ${name}\n${firstLines(reason, 60)}\n`] : [];
  });
  if (reasons.length > 0)
    return `${names}${reasons.slice(0, 3).join("")}--- end of ${suite.name}; all of it: ${log}\n`;
  const tail = readFileSync(log, "utf8").trimEnd().split("\n").slice(-80);
  return `${names}--- the end of ${log}\n${tail.join("\n")}\n--- end of ${suite.name}\n`;
}
