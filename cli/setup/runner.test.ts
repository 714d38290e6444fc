import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duration, runSteps, type Output, type Step } from "./runner.ts";

let folder: string;
let written: string;
const output: Output = {
  moving: false,
  write: (text) => {
    written += text;
  },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lab-runner-"));
  written = "";
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A step that creates a temporary file, renames it, and counts its runs. */
function fileStep(name: string, runs: string[], interrupt?: () => void): Step {
  const target = join(folder, name);
  return {
    name,
    check: () =>
      existsSync(target) ? { done: true, detail: "is there" } : { done: false, plan: `make ${name}` },
    run: async (progress) => {
      runs.push(name);
      progress("writing");
      writeFileSync(`${target}.new`, "half");
      await Promise.resolve();
      interrupt?.();
      renameSync(`${target}.new`, target);
    },
  };
}

describe("runSteps", () => {
  it("runs missing steps in order, with a line and a time for each", async () => {
    const runs: string[] = [];
    await runSteps([fileStep("a", runs), fileStep("b", runs)], { output });
    expect(runs).toEqual(["a", "b"]);
    expect(written).toMatch(/^done +a +0\.\d s +is there$/m);
    expect(written).toMatch(/^done +b +0\.\d s +is there$/m);
  });

  it("skips completed steps, and does not mention them if quiet", async () => {
    const runs: string[] = [];
    await runSteps([fileStep("a", runs)], { output });
    written = "";
    await runSteps([fileStep("a", runs)], { output });
    expect(runs).toEqual(["a"]);
    expect(written).toMatch(/^ok +a /);
    written = "";
    await runSteps([fileStep("a", runs)], { output, quiet: true });
    expect(written).toBe("");
  });

  it("runs nothing in a dry run, and lists what it would do", async () => {
    const runs: string[] = [];
    const prepared: string[] = [];
    const step = {
      ...fileStep("a", runs),
      prepare: async () => Promise.resolve(prepared.push("a")) as Promise<never>,
    };
    await runSteps([step], { output, dryRun: true });
    expect(runs).toEqual([]);
    expect(prepared).toEqual([]);
    expect(existsSync(join(folder, "a"))).toBe(false);
    expect(written).toMatch(/^would +a +make a$/m);
  });

  it("runs an interrupted step again, but not the steps before it", async () => {
    const runs: string[] = [];
    const steps = (interrupt?: () => void): Step[] => [fileStep("a", runs), fileStep("b", runs, interrupt)];
    const interrupt = (): never => {
      throw new Error("killed");
    };
    await expect(runSteps(steps(interrupt), { output })).rejects.toThrow("b: killed");
    expect(written).toMatch(/^FAILED +b +0\.\d s +make b$/m);
    await runSteps(steps(), { output });
    expect(runs).toEqual(["a", "b", "b"]);
    expect(existsSync(join(folder, "b"))).toBe(true);
  });

  it("does not continue after a step that failed", async () => {
    const runs: string[] = [];
    const fail = (): never => {
      throw new Error("no space left");
    };
    await expect(runSteps([fileStep("a", runs, fail), fileStep("b", runs)], { output })).rejects.toThrow(
      "a: no space left",
    );
    expect(runs).toEqual(["a"]);
  });

  it("fails if a step ends without an error but without its end state", async () => {
    const step: Step = { ...fileStep("a", []), run: () => Promise.resolve() };
    await expect(runSteps([step], { output })).rejects.toThrow(
      "a: finished without an error, but still missing: make a",
    );
  });
});

describe("duration", () => {
  it("is short, with decimals for short times", () => {
    expect([300, 9_940, 42_000, 200_000, 119_700].map(duration)).toEqual([
      "0.3 s",
      "9.9 s",
      "42 s",
      "3 min 20 s",
      "2 min 0 s",
    ]);
  });
});
