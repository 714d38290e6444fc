/** The verdicts of a run for a terminal: at most fifteen lines, the most important first. */
import { stripVTControlCharacters, styleText } from "node:util";
import { rowName, type Result, type Run } from "./run.ts";
import { fewestBlocks } from "./verdicts.ts";
import {
  arrow,
  blocksText,
  controlText,
  digits,
  early,
  emulatedNote,
  isAsked,
  kindOf,
  kindText,
  ordinal,
  ratioText,
  reasonOf,
  signs,
  type Kind,
} from "./words.ts";

export const mostLines = 15;
const widest = 118;

const colours = {
  better: "green",
  worse: "red",
  "no difference": "cyan",
  undetermined: "gray",
  invalid: "yellow",
  none: "reset",
} as const satisfies Record<Kind, Parameters<typeof styleText>[0]>;

/** @param colour whether the reader is a terminal that shows colours */
export function verdictTable(run: Run, path: string, colour: boolean): string {
  const paint = (kind: Kind, text: string): string =>
    colour ? styleText(colours[kind], text, { validateStream: false }) : text;
  const bold = (text: string): string => (colour ? styleText("bold", text, { validateStream: false }) : text);
  const end = [...notes(run), `report: ${path}/report.html`];
  const room = mostLines - 1 - end.length;
  return [bold(title(run)), ...rowLines(run, room, paint), ...end].map(cut).join("\n");
}

function title(run: Run): string {
  const count = run.earlierRuns.length + 1;
  const again = count > 1 ? `, ${ordinal(count)} run of these settings` : "";
  return `benchmark ${run.runId}: ${run.results.length} rows against ${run.baseline}, ${blocksText(run)}${again}`;
}

function notes(run: Run): string[] {
  const valid = run.points.filter(({ invalid }) => invalid === null).length;
  return [
    ...(run.looks.every((blocks) => blocks < fewestBlocks)
      ? [`${run.profile} gives no verdicts: ${valid} of ${run.points.length} points are valid`]
      : []),
    ...(run.lost === null ? [] : [`the run ended early: ${run.lost}`]),
    ...controlText(run).map((text) => `warning: ${text}`),
    ...(run.emulated ? [emulatedNote] : []),
  ];
}

/** Shows as many rows as there is space for, and counts the others by kind. */
function rowLines(run: Run, room: number, paint: (kind: Kind, text: string) => string): string[] {
  const ordered = [...run.results].sort((a, b) => weight(run, b) - weight(run, a));
  const alone = ordered.length <= room ? ordered : ordered.slice(0, Math.max(0, room - 5)).filter(tells(run));
  const left = ordered.filter((result) => !alone.includes(result));
  const cells = alone.map((result) => [
    `${signs[kindOf(result)]} ${kindText(kindOf(result), run)}`,
    `${result.workload} ${result.title}`,
    result.arm,
    result.ratio ? `×${ratioText(result.ratio)} ${result.unit} ${arrow(result)}` : reasonOf(result),
    seen(run, result),
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.min(46, Math.max(0, ...cells.map((row) => row[column]?.length ?? 0))),
  );
  const lines = cells.map((row, index) => {
    const text = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
    return paint(kindOf(alone[index] as Result), text);
  });
  return [...lines, ...groups(run, left, alone.length > 0, paint)];
}

/** Rows that are shown individually if there is not a line for each. */
const tells =
  (run: Run) =>
  (result: Result): boolean =>
    isAsked(run, result) || ["better", "worse", "none"].includes(kindOf(result));

/** Requested rows first, then differences by size, then the rest. */
function weight(run: Run, result: Result): number {
  const size = Math.min(99, Math.abs(Math.log(result.ratio?.centre ?? 1)));
  return (isAsked(run, result) ? 1000 : 0) + (["better", "worse"].includes(kindOf(result)) ? 100 + size : 0);
}

function groups(
  run: Run,
  left: readonly Result[],
  more: boolean,
  paint: (kind: Kind, text: string) => string,
): string[] {
  const present = (Object.keys(signs) as Kind[]).flatMap((kind) => {
    const own = left.filter((result) => kindOf(result) === kind);
    return own.length > 0 ? [{ kind, own }] : [];
  });
  return present.map(({ kind, own }) =>
    paint(
      kind,
      `${signs[kind]} ${own.length} ${more && tells(run)(own[0] as Result) ? "more " : ""}${kindText(kind, run)}: ${about(kind, own)}`,
    ),
  );
}

function about(kind: Kind, rows: readonly Result[]): string {
  if (kind === "invalid") return [...new Set(rows.map(reasonOf))].join("; ");
  if (kind !== "undetermined") return rows.map(rowName).join(", ");
  const factors = rows.flatMap(({ smallestFactor }) => smallestFactor ?? []);
  return factors.length === 0
    ? "too few blocks"
    : `smallest detectable factors ×${digits(Math.min(...factors))} to ×${digits(Math.max(...factors))}`;
}

function seen(run: Run, result: Result): string {
  if (kindOf(result) !== "undetermined") return early(run, result);
  return result.smallestFactor === null ? "too few blocks" : `detects from ×${digits(result.smallestFactor)}`;
}

/** A line that fits on a terminal. */
function cut(line: string): string {
  const plain = stripVTControlCharacters(line);
  if (plain.length <= widest || plain.startsWith("report: ")) return line;
  return line.replace(plain, `${plain.slice(0, widest - 1)}…`);
}
