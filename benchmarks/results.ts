/** Writes the results of a run beside its raw files: run.json for programs, summary.csv and report.html for people. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { analyse } from "./analyse.ts";
import { howToReadFile, renderHowToRead, renderReport } from "./report/report.ts";
import { readMetrics, type Watched } from "./metrics.ts";
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

/** Analyses a run's raw files, together with other runs of the same settings in the same folder. */
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

const planFacts = z.object({ runId: z.string(), seed: z.int(), settingsHash: z.string() });
const startFacts = z.object({ started: z.string() });

/** Earlier runs with the same settings, in neighbouring folders. */
export function earlierRuns(folder: string): Run["earlierRuns"] {
  const own = factsOf(folder);
  if (own === undefined) return [];
  const beside = dirname(folder);
  return readdirSync(beside)
    .flatMap((name) => factsOf(join(beside, name)) ?? [])
    .filter(
      ({ runId, settingsHash, started }) =>
        runId !== own.runId &&
        settingsHash === own.settingsHash &&
        Date.parse(started) < Date.parse(own.started),
    )
    .sort((a, b) => Date.parse(a.started) - Date.parse(b.started))
    .map(({ runId, seed, started }) => ({ runId, seed, started }));
}

/** Identity of the run in a folder; undefined if there is no run. */
function factsOf(folder: string): (z.infer<typeof planFacts> & z.infer<typeof startFacts>) | undefined {
  const [plan, start] = (["plan.json", "facts.json"] as const).map((name) => {
    const file = join(folder, "raw", name);
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as unknown) : undefined;
  });
  const facts = [planFacts.safeParse(plan), startFacts.safeParse(start)] as const;
  return facts[0].success && facts[1].success ? { ...facts[0].data, ...facts[1].data } : undefined;
}
