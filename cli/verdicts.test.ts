import { jest } from "@jest/globals";
import { rmSync, mkdtempSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { analyse } from "../benchmarks/analyse.ts";
import { writeResults } from "../benchmarks/results.ts";
import type { Run } from "../benchmarks/run.ts";
import { inventRun, type Invented } from "../benchmarks/testdata/rawRun.ts";
import { mostLines, verdictTable } from "../benchmarks/verdictTable.ts";
import type { Pulumi } from "./pulumi.ts";
import { closing, hasColours, upWithVerdicts } from "./verdicts.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function invent(options: Invented): string {
  const folder = inventRun(options);
  folders.push(folder);
  return folder;
}
const ofMetadata: Invented["point"] = (point) => (point.workload === "metadata" ? point : undefined);
const lines = (run: Run): string[] => verdictTable(run, `results/${run.runId}`, false).split("\n");

describe("the end of ./lab up", () => {
  it("should have the verdicts in at most fifteen lines, with the largest differences by name", () => {
    const rate = (figure: string, label: string): number =>
      label !== "nocache" ? 1000 : ({ statHit: 200, openMiss: 1500 }[figure] ?? 1000);
    const { run } = analyse(join(invent({ profile: "course", rate, point: ofMetadata }), "raw"));
    const shown = lines(run);
    expect(run.results.length).toBeGreaterThan(mostLines);
    expect(shown.length).toBeLessThanOrEqual(mostLines);
    expect(shown[0]).toBe(`benchmark ${run.runId}: ${run.results.length} rows against ttl, 10 blocks`);
    expect(shown[1]).toMatch(
      /^▼ worse +metadata stat, hit +nocache +×0\.[12]\d* \[0\.\d+, 0\.\d+\] ops\/s ↑$/,
    );
    expect(shown[2]).toMatch(/^▲ better +metadata open, miss +nocache +×1\.\d+ \[1\.\d+, 1\.\d+\] ops\/s ↑$/);
    expect(shown.join("\n")).toMatch(/^! \d+ INVALID: not measured; 10 of 10 blocks$/m);
    expect(shown.at(-1)).toBe(`report: results/${run.runId}/report.html`);
    for (const line of shown) expect(line.length).toBeLessThanOrEqual(118);
  });

  it("should show the requested rows first, with the difference that they could have detected", () => {
    let turn = 0;
    const rate = (): number => 1000 * [0.4, 1, 1.9, 0.7, 1.3][turn++ % 5]!;
    const point: Invented["point"] = (record) => (record.block <= 10 ? ofMetadata(record) : undefined);
    const rows = ["metadata/rename/nocache"];
    const { run } = analyse(join(invent({ profile: "course", rows, rate, point }), "raw"));
    expect(lines(run)[0]).toContain("10 of at most 30 blocks");
    expect(lines(run)[1]).toMatch(/^\? undetermined +metadata rename +nocache .* detects from ×\d/);
  });

  it("should give no verdict for smoke, but the ratios, and report that all points are valid", () => {
    const { run } = analyse(join(invent({}), "raw"));
    const shown = lines(run);
    expect(shown.length).toBeLessThanOrEqual(mostLines);
    expect(shown[1]).toMatch(
      /^· no verdict +metadata \w+ +nocache +×[\d.]+ \(blocks [\d.]+ to [\d.]+\) ops\/s ↑$/,
    );
    expect(shown).toContain(
      `smoke gives no verdicts: ${run.points.length} of ${run.points.length} points are valid`,
    );
  });

  it("should not blame the profile if all rows are INVALID", () => {
    const point: Invented["point"] = (record) => (record.block < 2 ? ofMetadata(record) : undefined);
    const { run } = analyse(join(invent({ profile: "course", lost: "node lost: node2", point }), "raw"));
    expect(lines(run).join("\n")).toMatch(/^! 33 INVALID: not measured: node lost: node2; /m);
    expect(lines(run).join("\n")).not.toContain("gives no verdicts");
  });

  it("should have colours for a terminal, and otherwise the same words without", () => {
    const { run } = analyse(join(invent({}), "raw"));
    const coloured = verdictTable(run, "p", true);
    expect(coloured).toContain("\u001b[");
    expect(stripVTControlCharacters(coloured)).toBe(verdictTable(run, "p", false));
    expect(hasColours({ isTTY: false })).toBe(false);
    expect(hasColours({ isTTY: true, hasColors: () => true })).toBe(true);
  });

  it("should read the run that the stack names, and give advice if it is not on this computer", () => {
    const folder = invent({});
    const results = mkdtempSync(join(tmpdir(), "disgrafs-results-"));
    folders.push(results);
    const run = writeResults(folder);
    const outputs = { benchmarkRun: { id: run.runId, path: `results/${run.runId}` } };
    const absent = closing(outputs, "second", results, false);
    expect(absent).toContain(
      'is not here; its verdicts: eval "$(./lab env)"; pulumi stack output benchmarkSummary --stack second\n',
    );
    mkdirSync(join(results, run.runId));
    writeFileSync(join(results, run.runId, "run.json"), JSON.stringify(run));
    expect(closing(outputs, "second", results, false)).toBe(
      `\n${verdictTable(run, outputs.benchmarkRun.path, false)}\n${closing({}, "second", results, false).trimStart()}`,
    );
    writeFileSync(join(results, run.runId, "run.json"), "{}");
    expect(closing(outputs, "second", results, false)).toContain("was written by another version");
  });

  it("should suggest the next step if the lab has no benchmark", () => {
    expect(closing({ benchmarkRun: null }, "local")).toBe(
      '\nnext: ./lab status, ./lab ssh NODE, ./lab down\noutputs: eval "$(./lab env)"; pulumi stack output --stack local\n',
    );
    expect(closing({ benchmarkRun: null }, "second")).toContain(
      "next: ./lab status --stack second, ./lab ssh --stack second NODE, ./lab down --stack second\n",
    );
  });
});

describe("./lab up with a benchmark", () => {
  /** A stack whose updates end with these statuses and outputs, in turn. */
  const updates = (...results: [number, Record<string, unknown>][]) => {
    const ran: string[][] = [];
    const pulumi = {
      stack: "local",
      run: (...args: string[]) => Promise.resolve(results[ran.push(args) - 1]?.[0] ?? 1),
      output: (name: string) => Promise.resolve(results[ran.length - 1]?.[1][name]),
    } as unknown as Pulumi;
    return { pulumi, ran };
  };
  const waits = { benchmarkWaits: true, benchmarkRun: null };
  let shown = "";
  beforeEach(() => {
    shown = "";
    const keep = (text: unknown): boolean => ((shown += String(text)), true);
    jest.spyOn(process.stdout, "write").mockImplementation(keep);
    jest.spyOn(process.stderr, "write").mockImplementation(keep);
  });
  afterEach(() => jest.restoreAllMocks());

  it.each([
    ["once", [[0, { benchmarkRun: null }]], 0, 1],
    [
      "again after one that only removed something",
      [
        [0, waits],
        [0, {}],
      ],
      0,
      2,
    ],
    [
      "at most twice",
      [
        [0, waits],
        [0, waits],
        [0, waits],
      ],
      0,
      2,
    ],
    ["not again after a failure", [[3, waits]], 3, 1],
    [
      "again, and fails then",
      [
        [0, waits],
        [4, {}],
      ],
      4,
      2,
    ],
  ] as [string, [number, Record<string, unknown>][], number, number][])(
    "runs the update %s",
    async (_, results, status, times) => {
      const { pulumi, ran } = updates(...results);
      expect(await upWithVerdicts(pulumi, ["--yes"])).toBe(status);
      expect(ran).toEqual(Array.from({ length: times }, () => ["up", "--suppress-outputs", "--yes"]));
      expect(shown.includes("the benchmark follows")).toBe(times === 2);
      expect(shown.includes("next: ./lab status")).toBe(status === 0);
    },
  );
});
