/** `./lab report`: rebuilds the results of runs from their raw files, or compares runs. Needs no lab. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { UnreadableRun } from "../../benchmarks/raw.ts";
import { renderReport } from "../../benchmarks/report/report.ts";
import { analyseFolder, resultsFolder, runFolder, write, writeResults } from "../../benchmarks/results.ts";
import { verdictTable } from "../../benchmarks/verdictTable.ts";
import { Problem } from "../problem.ts";
import { hasColours } from "../verdicts.ts";

export const report = new Command("report")
  .argument("<run...>", "id of a run in results/, or a folder with its raw/")
  .addHelpText(
    "after",
    `
Works from the raw files alone, on any machine, without a lab.

Examples:
  ./lab report smoke-0ba3a9c100d9                       rebuild run.json, summary.csv and report.html
  ./lab report course-5f0e6c1d2b3a course-0a1b2c3d4e5f  results/comparison.html of two runs
  ./lab report ~/artifact/paper-9e8d7c6b5a40            a run from somewhere else`,
  )
  .action((names: string[]) => {
    try {
      const folders = names.map(runFolder);
      for (const folder of folders) {
        const run = writeResults(folder);
        process.stdout.write(`${verdictTable(run, folder, hasColours(process.stdout))}\n`);
      }
      if (folders.length < 2) return;
      mkdirSync(resultsFolder, { recursive: true });
      const file = join(resultsFolder, "comparison.html");
      write(file, renderReport(folders.map(analyseFolder)));
      process.stdout.write(`comparison: ${file}\n`);
    } catch (error) {
      if (error instanceof UnreadableRun) throw new Problem(error.message);
      throw error;
    }
  });
