/** summary.csv: the verdict table for a spreadsheet. */
import type { Result } from "./run.ts";

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
  "least",
  "most",
  "noise",
  "randomisation",
  "student",
  "signedRank",
  "smallestFactor",
  "blocks",
  "planned",
  "verdict",
  "decidedAt",
] as const;

/** The verdict table as CSV (RFC 4180), numbers in full; an empty field is a null. */
export function summaryCsv(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { centre, ...ends } = result.ratio ?? {};
    const fields: Record<string, unknown> = { ...result, ...ends, ...result.p, ratio: centre };
    return columns.map((column) => csvField(fields[column]));
  });
  return [columns, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

function csvField(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return "";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
