/** Writes what a person reads of a run: run.json, summary.csv and report.html beside the raw files. */
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyse } from "./analyse.ts";
import { renderReport } from "./report/report.ts";
import { UnreadableRun } from "./raw.ts";
import type { Result, Run } from "./run.ts";

/** Folder of all results in this checkout. */
export const resultsFolder = fileURLToPath(new URL("../results/", import.meta.url));

/** Folder of a run: an id below results/, or a path to a folder with a run's `raw` in it. */
export function runFolder(run: string): string {
  const folder = [join(resultsFolder, run), run].find((path) => existsSync(join(path, "raw", "plan.json")));
  if (folder === undefined)
    throw new UnreadableRun(`no run ${run}: ${join(resultsFolder, run)}/raw/plan.json does not exist`);
  return folder;
}

/** Analyse the raw files of a run and write its results. */
export function writeResults(folder: string): Run {
  const analysis = analyse(join(folder, "raw"));
  const { run } = analysis;
  write(join(folder, "run.json"), `${JSON.stringify(run, undefined, 1)}\n`);
  write(join(folder, "summary.csv"), summaryCsv(run.results));
  write(join(folder, "report.html"), renderReport([analysis]));
  return run;
}

/** Write a file in one step. */
export function write(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const columns = [
  "workload",
  "figure",
  "arm",
  "unit",
  "better",
  "baseline",
  "value",
  "ratio",
  "low",
  "high",
  "method",
  "noise",
  "blocks",
  "planned",
  "verdict",
] as const;

/** The verdict table as CSV (RFC 4180), numbers in full; an empty field is a null. */
export function summaryCsv(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { centre, low, high, method } = result.ratio ?? {};
    const fields: Record<string, unknown> = { ...result, ratio: centre, low, high, method };
    return columns.map((column) => csvField(fields[column]));
  });
  return [columns, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

function csvField(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return "";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** The verdict table as text for a terminal: one line a figure and arm. */
export function summaryText(run: Run): string {
  const rows = run.results.map((result) => [
    `${result.workload} ${result.title}`,
    `${result.arm} / ${run.baseline}`,
    result.ratio ? ratioText(result.ratio) : "",
    result.verdict,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...controlText(run), ...onceText(run), ...(run.emulated ? [emulatedNote] : [])].join(
    "\n",
  );
}

/** A warning when the control differs, as no arm changes what it does; none when all is well. */
export function controlText(run: Run): string[] {
  const controls = run.workloads.filter(({ control }) => control).map(({ name }) => name);
  const differs = run.results
    .filter(({ workload, verdict }) => controls.includes(workload) && ["better", "worse"].includes(verdict))
    .map(({ workload, title, arm, verdict }) => `${workload} ${title} is ${verdict} in ${arm}`);
  if (differs.length === 0) return [];
  return [
    `${differs.join(", ")}: no arm changes the control, so something else changed with the arms, and may be behind other differences too`,
  ];
}

/** A line that says whether the workloads that are not compared work here. */
export function onceText(run: Run): string[] {
  const tried = run.workloads
    .filter(({ once }) => once)
    .map(({ name }) => {
      const points = run.points.filter(({ workload }) => workload === name);
      const invalid = points.length === 0 ? "not measured" : points.find((point) => point.invalid)?.invalid;
      return `${name} ${invalid ? `INVALID(${invalid})` : "works"}`;
    });
  return tried.length === 0 ? [] : [`run once, not compared: ${tried.join(", ")}`];
}

export const emulatedNote = "The machines are emulated: ratios only, and those of an emulator.";

/** "0.36 [0.10, 1.24]": three significant digits, as everywhere a person reads a ratio. */
export function ratioText({ centre, low, high }: { centre: number; low: number; high: number }): string {
  return `${digits(centre)} [${digits(low)}, ${digits(high)}]`;
}

const three = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** A number with three significant digits, without an exponent in the range of figures here. */
export function digits(value: number): string {
  return value === 0 || Math.abs(value) >= 1e-4 ? three.format(value) : value.toExponential(2);
}
