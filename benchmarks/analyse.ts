/** Computes a run's verdicts (run.json) from its raw files. Deterministic: the same files give the same result. */
import { analysisHash } from "./analysisHash.ts";
import type { Plan } from "./plan.ts";
import { readRaw, type RawRun } from "./raw.ts";
import { rowName, runSchema, runVersion, type Point, type Result, type Run } from "./run.ts";
import {
  contrasts,
  hodgesLehmann,
  median,
  noiseFloor,
  randomisationTest,
  signedRankTest,
  studentTest,
  type Sides,
  type Trio,
} from "./statistics.ts";
import {
  decide,
  fewestBlocks,
  guardLevel,
  levels,
  smallestFactor,
  type Decision,
  type Rules,
} from "./verdicts.ts";

export interface Analysis {
  readonly run: Run;
  readonly raw: RawRun;
}

/**
 * Analyses the raw files in a folder (`results/<runId>/raw`).
 * @param earlierRuns the known earlier runs that measured the same
 */
export function analyse(folder: string, earlierRuns: Run["earlierRuns"] = []): Analysis {
  const raw = readRaw(folder);
  const { plan, end, lab } = raw;
  const points = raw.points.map(({ point }) => point);
  // A machine of unknown virtualization counts as emulated.
  const emulated =
    plan.clock === "instructions" ||
    raw.machines.some(({ virtualization }) => virtualization === null || virtualization === "qemu");
  const lost = end ? end.lost : "the run has not ended";
  const look = lookReached(plan, points);
  const run: Run = {
    version: runVersion,
    runId: plan.runId,
    profile: plan.profile,
    seed: plan.seed,
    settingsHash: plan.settingsHash,
    settings: plan.settings,
    ...lab,
    analysis: { hash: analysisHash(), levels: { ...levels, guard: guardLevel } },
    earlierRuns,
    looks: plan.looks,
    look,
    rows: plan.rows,
    marginPercent: plan.marginPercent,
    started: raw.started,
    ended: end?.ended ?? null,
    seconds: end?.seconds ?? null,
    lost,
    discarded: raw.discarded,
    clock: plan.clock,
    emulated,
    machines: [...raw.machines, ...raw.earlierBoots],
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

/**
 * Whether a run needs no more blocks: all requested rows have a verdict, or there is no later look. A row that is INVALID is
 * not decided: with more blocks, the invalid ones may become few enough. But what was too slow or too fast stays in it.
 */
export function isDecided({ rows, results: all, points, look, looks, lost, baseline, repeat }: Run): boolean {
  if (lost !== null || look === looks.at(-1)) return true;
  const decided: readonly Result["verdict"][] = ["better", "worse", "no difference"];
  return all.every((result) => {
    const { workload, figure, arm, verdict } = result;
    const own = points.filter(
      (point) =>
        !point.warmUp && point.workload === workload && [arm, baseline, repeat].includes(point.label),
    );
    return (
      !rows.includes(rowName(result)) ||
      decided.includes(verdict) ||
      own.some((point) => spoiltBySpeed(point, figure) !== undefined)
    );
  });
}

/** Why a figure of a point is missing, if the reason may depend on how fast it was. */
function spoiltBySpeed(point: Point | undefined, figure: string): string | undefined {
  return point?.inWindow ? (point.invalid ?? undefined) : point?.tooLittle[figure];
}

/** The last look whose blocks have all been measured; the first if the run did not reach one. */
function lookReached({ looks }: Plan, points: readonly Point[]): number {
  const last = Math.max(0, ...points.map(({ block }) => block));
  return looks.findLast((blocks) => blocks <= last) ?? looks[0] ?? 0;
}

/** The proof that an arm was in force: its programs, and their number of runs. */
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

/** One result for each figure and each arm except the baseline. */
export function results(
  plan: Plan,
  points: readonly Point[],
  emulated: boolean,
  lost: string | null,
): Result[] {
  const compared = plan.workloads.filter(({ once }) => !once);
  const arms = plan.arms.map(({ name }) => name).filter((name) => name !== plan.baseline);
  const rows = compared.flatMap(({ name: workload, figures }) =>
    Object.entries(figures).flatMap(([figure, { title, unit, better }]) =>
      arms.map((arm) => ({ workload, figure, title, arm, unit, better })),
    ),
  );
  const find = finder(points);
  const reached = lookReached(plan, points);
  const rules: Rules = {
    looks: plan.looks,
    rows: rows.length,
    marginFactor: 1 + plan.marginPercent / 100,
  };
  const taken = (row: (typeof rows)[number], look: number): Taken => take(plan, find, row, look, lost);
  const decisions = decide(
    rules,
    rows.map((row) => (look) => {
      const { trios, invalid } = taken(row, look);
      return invalid === undefined ? trios : undefined;
    }),
    plan.looks.indexOf(reached) + 1,
  );
  return rows.map((row, index) => {
    const { trios, planned, invalid } = taken(row, reached);
    const common = { ...row, blocks: trios.length, planned };
    const decision = decisions[index] ?? { call: null, look: null };
    if (invalid !== undefined)
      return {
        ...common,
        ...{ baseline: null, value: null, ratio: null, noise: null, p: null, smallestFactor: null },
        verdict: `INVALID(${brief(invalid)})`,
        decidedAt: null,
      };
    const floor = noiseFloor(trios);
    return {
      ...common,
      baseline: emulated
        ? null
        : median(trios.map(({ baselines: [first, second] }) => Math.exp((first + second) / 2))),
      value: emulated ? null : median(trios.map(({ arm }) => Math.exp(arm))),
      ratio: ratioOf(trios),
      noise: Number.isFinite(floor) ? Math.exp(floor) : null,
      p: pValues(trios),
      smallestFactor: smallestFactor(trios, rules, reached) ?? null,
      verdict: plan.looks.every((blocks) => blocks < fewestBlocks) ? null : word(decision, row.better),
      decidedAt: decision.look,
    };
  });
}

function word({ call }: Decision, better: Result["better"]): Result["verdict"] {
  if (call === null) return "undetermined";
  if (call === "same") return "no difference";
  return call === better ? "better" : "worse";
}

function ratioOf(trios: readonly Trio[]): NonNullable<Result["ratio"]> {
  const logs = contrasts(trios);
  const { centre, low, high } = hodgesLehmann(logs);
  const known = Number.isFinite(low);
  return {
    centre: Math.exp(centre),
    low: known ? Math.exp(low) : null,
    high: known ? Math.exp(high) : null,
    least: Math.exp(Math.min(...logs)),
    most: Math.exp(Math.max(...logs)),
  };
}

function pValues(trios: readonly Trio[]): Result["p"] {
  const twoSided = ({ above, below }: Sides): number => Math.min(1, 2 * Math.min(above, below));
  return {
    randomisation: twoSided(randomisationTest(trios)),
    student: twoSided(studentTest(contrasts(trios))),
    signedRank: twoSided(signedRankTest(contrasts(trios))),
  };
}

const longestReason = 240;

/** Shortens a reason to one line of limited length: some contain the output of a program. */
function brief(reason: string): string {
  const line = reason.replaceAll(/\s+/g, " ").trim();
  return line.length <= longestReason ? line : `${line.slice(0, longestReason - 60)} ... ${line.slice(-55)}`;
}

/** Only positive values have a logarithm. */
function isRate(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}

type Find = (block: number, label: string, workload: string) => Point | undefined;

function finder(points: readonly Point[]): Find {
  const key = (block: number, label: string, workload: string): string => `${block} ${label} ${workload}`;
  const index = new Map(points.map((point) => [key(point.block, point.label, point.workload), point]));
  return (block, label, workload) => index.get(key(block, label, workload));
}

interface Taken {
  readonly trios: readonly Trio[];
  /** Number of blocks up to the look. */
  readonly planned: number;
  readonly invalid?: string;
}

/** Logs of a row's figure in each block up to a look, or the reason why there are too few. */
function take(
  plan: Plan,
  find: Find,
  { workload, figure, arm }: Pick<Result, "workload" | "figure" | "arm">,
  look: number,
  lost: string | null,
): Taken {
  const blocks = plan.blocks.filter(({ index, warmUp }) => !warmUp && index <= look);
  const trios: Trio[] = [];
  const reasons: string[] = [];
  let bySpeed: string | undefined;
  for (const { index } of blocks) {
    const turns = [arm, plan.baseline, plan.repeat].map((label) => find(index, label, workload));
    const [own, first, second] = turns.map((point) => point?.figures[figure]);
    if (isRate(own) && isRate(first) && isRate(second))
      trios.push({ arm: Math.log(own), baselines: [Math.log(first), Math.log(second)] });
    else {
      const said = turns.find((point) => point?.invalid)?.invalid;
      bySpeed ??= turns.map((point) => spoiltBySpeed(point, figure)).find((reason) => reason !== undefined);
      const zero = turns.find((point) => point?.figures[figure] === 0)?.label;
      const missing = lost === null ? "not measured" : `not measured: ${lost}`;
      reasons.push(said ?? (zero === undefined ? missing : `${figure} is 0 in ${zero}`));
    }
  }
  // Without the blocks that were too slow or too fast for a figure, the others would be a biased selection.
  const tooMany = reasons.length > blocks.length * plan.limits.invalidShare || bySpeed !== undefined;
  const invalid =
    tooMany || trios.length < 2
      ? `${bySpeed ?? reasons[0] ?? "too few blocks"}; ${reasons.length} of ${blocks.length} blocks`
      : undefined;
  return { trios, planned: blocks.length, ...(invalid === undefined ? {} : { invalid }) };
}
