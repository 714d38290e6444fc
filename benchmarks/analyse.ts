/** From the raw files of a run to its verdicts: run.json. Pure but for reading; the same files give the same result. */
import { readRaw, type RawRun } from "./raw.ts";
import { runSchema, runVersion, type Point, type Result, type Run } from "./run.ts";
import { difference, fewestBlocks, interval, median, noiseFloor, type Interval } from "./statistics.ts";
import type { Plan } from "./plan.ts";

export interface Analysis {
  readonly run: Run;
  readonly raw: RawRun;
}

/** Analyse the raw files in a folder (`results/<runId>/raw`). */
export function analyse(folder: string): Analysis {
  const raw = readRaw(folder);
  const { plan, end, lab } = raw;
  const points = raw.points.map(({ point }) => point);
  // A machine that does not say what it runs on is taken for an emulated one.
  const emulated =
    plan.clock === "instructions" ||
    raw.machines.some(({ virtualization }) => virtualization === null || virtualization === "qemu");
  const lost = end ? end.lost : "the run has not ended";
  const run: Run = {
    version: runVersion,
    runId: plan.runId,
    profile: plan.profile,
    seed: plan.seed,
    settingsHash: plan.settingsHash,
    settings: plan.settings,
    ...lab,
    started: raw.started,
    ended: end?.ended ?? null,
    seconds: end?.seconds ?? null,
    lost,
    clock: plan.clock,
    emulated,
    machines: [...raw.machines],
    baseline: plan.baseline,
    repeat: plan.repeat,
    arms: plan.arms.map(({ name, title }) => ({ name, title, ...proofOf(name, raw.points) })),
    workloads: plan.workloads.map(({ name, measures, caches, control, once, parameters }) => ({
      name,
      measures,
      caches,
      control,
      once,
      parameters,
    })),
    results: results(plan, points, emulated, lost),
    points,
  };
  return { run: runSchema.parse(run), raw };
}

/** What proves that an arm was in force: its programs, and how often they ran. */
function proofOf(arm: string, points: RawRun["points"]): Pick<Run["arms"][number], "programs" | "count"> {
  const own = points.filter(({ point }) => point.arm === arm);
  const programs = new Map(
    own.flatMap((entry) => entry.programs.map((program) => [`${program.name} ${program.tag}`, program])),
  );
  const counts = own.map(({ point }) => point.armCount).filter((count) => count !== null);
  return {
    programs: [...programs.values()],
    count: counts.length > 0 ? counts.reduce((sum, count) => sum + count, 0) : null,
  };
}

/** One result for each figure and each arm but the baseline. */
export function results(
  plan: Plan,
  points: readonly Point[],
  emulated: boolean,
  lost: string | null,
): Result[] {
  const arms = plan.arms.map(({ name }) => name).filter((name) => name !== plan.baseline);
  const compared = plan.workloads.filter(({ once }) => !once);
  const rows = compared.flatMap((workload) =>
    Object.entries(workload.figures).flatMap(([figure, facts]) =>
      arms.map((arm) => ({ workload: workload.name, figure, facts, arm })),
    ),
  );
  return rows.map(({ workload, figure, facts, arm }, index) => {
    const seed = plan.seed * 7919 + index;
    const paired = pair(plan, points, workload, figure, arm, lost);
    const repeat = pair(plan, points, workload, figure, plan.repeat, lost);
    const common = {
      workload,
      figure,
      title: facts.title,
      arm,
      unit: facts.unit,
      better: facts.better,
      blocks: paired.ratios.length,
      planned: paired.planned,
    };
    const reason = paired.invalid ?? (repeat.invalid && `no noise floor: ${repeat.invalid}`);
    if (reason !== undefined)
      return {
        ...common,
        baseline: null,
        value: null,
        ratio: null,
        noise: null,
        verdict: `INVALID(${brief(reason)})`,
      };
    const logs = interval(paired.ratios, seed);
    const floor = noiseFloor(interval(repeat.ratios, seed));
    return {
      ...common,
      baseline: emulated ? null : median(paired.baselines),
      value: emulated ? null : median(paired.values),
      ratio: asRatio(logs),
      noise: Math.exp(floor),
      verdict: difference(logs, floor, facts.better),
    };
  });
}

const longestReason = 240;

/** A reason in one line of bounded length: some hold the last words of a program. */
function brief(reason: string): string {
  const line = reason.replaceAll(/\s+/g, " ").trim();
  return line.length <= longestReason ? line : `${line.slice(0, longestReason - 60)} ... ${line.slice(-55)}`;
}

function asRatio({ centre, low, high, method }: Interval): Result["ratio"] {
  return { centre: Math.exp(centre), low: Math.exp(low), high: Math.exp(high), method };
}

interface Paired {
  readonly ratios: readonly number[];
  readonly baselines: readonly number[];
  readonly values: readonly number[];
  readonly planned: number;
  readonly invalid?: string;
}

/** Values of a figure in the baseline and under a label, block by block, with the log of their ratio. */
function pair(
  plan: Plan,
  points: readonly Point[],
  workload: string,
  figure: string,
  label: string,
  lost: string | null,
): Paired {
  const blocks = plan.blocks.filter(({ warmUp }) => !warmUp);
  const find = (block: number, wanted: string): Point | undefined =>
    points.find((point) => point.block === block && point.label === wanted && point.workload === workload);
  const baselines: number[] = [];
  const values: number[] = [];
  const reasons: string[] = [];
  for (const { index } of blocks) {
    const [base, other] = [find(index, plan.baseline), find(index, label)];
    const [from, to] = [base?.figures[figure], other?.figures[figure]];
    if (from !== undefined && to !== undefined) {
      baselines.push(from);
      values.push(to);
    } else reasons.push(base?.invalid ?? other?.invalid ?? (lost ? `not measured: ${lost}` : "not measured"));
  }
  const ratios = values.map((value, index) => Math.log(value / (baselines[index] ?? Number.NaN)));
  const tooMany = reasons.length > blocks.length * plan.limits.invalidShare;
  const invalid =
    tooMany || ratios.length < fewestBlocks
      ? `${reasons[0] ?? "too few blocks"}; ${reasons.length} of ${blocks.length} blocks`
      : undefined;
  return { ratios, baselines, values, planned: blocks.length, ...(invalid ? { invalid } : {}) };
}
