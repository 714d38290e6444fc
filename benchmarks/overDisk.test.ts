import { rmSync } from "node:fs";
import { join } from "node:path";
import { analyse } from "./analyse.ts";
import { overDisk } from "./overDisk.ts";
import { renderReport } from "./report/report.ts";
import type { Point } from "./run.ts";
import { inventRun, type Invented } from "./testdata/rawRun.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function analysed(options: Invented): ReturnType<typeof analyse> {
  const folder = inventRun({ profile: "reads", noise: 0, ...options });
  folders.push(folder);
  return analyse(join(folder, "raw"));
}

describe("overDisk", () => {
  it("should say how many times longer each arm takes than the node's own disk, and the report, too", () => {
    const rates: Record<string, number> = { ttl: 500, "ttl-again": 500, "fuse-read": 800, local: 1000 };
    const analysis = analysed({
      arms: ["ttl", "fuse-read", "local"],
      rate: (_figure, label) => rates[label]!,
      // One block's point of the arm is INVALID: the others count.
      point: (record) =>
        record.block === 3 && record.arm === "fuse-read" ? { ...record, invalid: "broken" } : record,
    });
    const found = overDisk(analysis.run);
    expect(found.map(({ workload }) => workload)).not.toContain("control");
    expect(found.find(({ workload }) => workload === "compile")).toEqual({
      workload: "compile",
      figure: "compile",
      title: "files compiled",
      times: { ttl: 2, "fuse-read": 1.25 },
    });
    const text = renderReport([{ ...analysis, metrics: undefined }]).replaceAll(/\s+/g, " ");
    expect(text).toContain("Over the node's own disk");
    expect(text).toMatch(/compile files compiled.{0,200}2.{0,100}1\.25/);
  });

  it("should leave out the blocks after the last look, as the verdicts do", () => {
    const { run } = analysed({ arms: ["ttl", "local"] });
    const compiling = (factor: number, point: Point): Point => ({
      ...point,
      figures: { compile: point.label === "local" ? 100 * factor : 100 },
    });
    const points = run.points
      .filter(({ workload }) => workload === "compile")
      .map((point) => compiling(point.block > 4 ? 7 : 3, point));
    const factor = (look: number): number | undefined =>
      overDisk({ ...run, points, look }).find(({ workload }) => workload === "compile")?.times["ttl"];
    expect(factor(4)).toBe(3);
    expect(factor(10)).toBe(7);
  });

  it("should say nothing of a run without that arm", () => {
    const analysis = analysed({ arms: ["ttl", "fuse-read"] });
    expect(overDisk(analysis.run)).toEqual([]);
    expect(renderReport([{ ...analysis, metrics: undefined }])).not.toContain("own disk</h2>");
  });
});
