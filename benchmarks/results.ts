/** Writes the results of a run beside its raw files: run.json for programs, summary.csv and report.html for people. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { analyse } from "./analyse.ts";
import { howToReadFile, renderHowToRead, renderReport } from "./report/report.ts";
import { readMetrics, type Watched } from "./metrics.ts";
import { measuredSchema } from "./plan.ts";
import { UnreadableRun } from "./raw.ts";
import type { Run } from "./run.ts";
import { summaryCsv } from "./summaryCsv.ts";

/** Folder of all results in this checkout. */
export const resultsFolder = fileURLToPath(new URL("../results/", import.meta.url));

/** Folder of a run: an id below results/, or a path to a folder with a run's `raw` in it. */
export function runFolder(run: string): string {
  const folder = [join(resultsFolder, run), run].find((path) => existsSync(join(path, "raw", "plan.json")));
  if (folder === undefined)
    throw new UnreadableRun(`no run ${run}: ${join(resultsFolder, run)}/raw/plan.json does not exist`);
  return folder;
}

/** Analyses a run's raw files, and counts earlier runs in the same folder that measured the same. */
export function analyseFolder(folder: string): Watched {
  return { ...analyse(join(folder, "raw"), earlierRuns(folder)), metrics: readMetrics(folder) };
}

/** Analyses the raw files of a run and writes its results. */
export function writeResults(folder: string): Run {
  const analysis = analyseFolder(folder);
  const { run } = analysis;
  write(join(folder, "run.json"), `${JSON.stringify(run, undefined, 1)}\n`);
  write(join(folder, "summary.csv"), summaryCsv(run.results));
  write(join(folder, "report.html"), renderReport([analysis]));
  write(join(folder, howToReadFile), renderHowToRead(analysis));
  return run;
}

/** Writes a file atomically. */
export function write(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const planFacts = z.object({ runId: z.string(), seed: z.int() }).extend(measuredSchema.shape);
const startFacts = z.object({ started: z.string() });

interface RunFacts {
  readonly runId: string;
  readonly seed: number;
  readonly started: string;
  /** What the run measured. */
  readonly measured: string;
}

/** Earlier runs that measured the same, in neighbouring folders. */
export function earlierRuns(folder: string): Run["earlierRuns"] {
  const own = factsOf(folder);
  if (own === undefined) return [];
  const beside = dirname(folder);
  return readdirSync(beside)
    .flatMap((name) => factsOf(join(beside, name)) ?? [])
    .filter(
      ({ runId, measured, started }) =>
        runId !== own.runId && measured === own.measured && Date.parse(started) < Date.parse(own.started),
    )
    .sort((a, b) => Date.parse(a.started) - Date.parse(b.started))
    .map(({ runId, seed, started }) => ({ runId, seed, started }));
}

/** The run in a folder; undefined if there is none, or if it cannot be read. */
function factsOf(folder: string): RunFacts | undefined {
  const [plan, start] = (["plan.json", "facts.json"] as const).map((name) =>
    readJson(join(folder, "raw", name)),
  );
  const facts = [planFacts.safeParse(plan), startFacts.safeParse(start)] as const;
  if (!facts[0].success || !facts[1].success) return undefined;
  const { runId, seed, ...measured } = facts[0].data;
  return { runId, seed, started: facts[1].data.started, measured: JSON.stringify(measured) };
}

const warned = new Set<string>();

/** Reads a JSON file; undefined if there is none. A file that is not JSON is named once on standard error. */
function readJson(file: string): unknown {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown;
  } catch (error) {
    if (!warned.has(file))
      process.stderr.write(
        `warning: ${file} cannot be read, so its run is not counted: ${(error as Error).message}\n`,
      );
    warned.add(file);
    return undefined;
  }
}
