/**
 * Measures how often verdicts are wrong, and how often they find a true difference, by applying the benchmark's own functions
 * (order, tests, rules) to simulated runs with known true values.
 */
import { balancedOrders } from "../order.ts";
import { seeded, type Random } from "../random.ts";
import { contrasts, hodgesLehmann, median, type Trio } from "../statistics.ts";
import { decide, smallestFactor, type Decision, type Rules } from "../verdicts.ts";
import type { Noise, NoiseModel } from "./noise.ts";
import { oldRule } from "./oldRule.ts";

export const marginFactor = 1.05;
const [baseline, repeat] = ["baseline", "repeat"];

/** A table: its numbers of figures and of arms, and its looks. */
export interface Table {
  readonly figures: number;
  readonly arms: number;
  readonly looks: readonly number[];
}

const rulesOf = ({ figures, arms, looks }: Table): Rules => ({ looks, rows: figures * arms, marginFactor });

/** The rows of one run. Every arm is `ratio` times the baseline. */
export function simulatedRows(table: Table, model: NoiseModel, seed: number, ratio = 1): Trio[][] {
  const random = mixed(seed);
  const arms = Array.from({ length: table.arms }, (_, index) => `arm ${index}`);
  const orders = balancedOrders([baseline, repeat, ...arms], table.looks.at(-1) ?? 0, random);
  return Array.from({ length: table.figures }, () => model.begin(random)).flatMap((noise: Noise) => {
    const blocks = orders.map(
      (order) => new Map(order.map((label) => [label, noise(label !== baseline && label !== repeat)])),
    );
    const value = (block: Map<string | undefined, number>, label: string | undefined): number =>
      block.get(label) ?? Number.NaN;
    return arms.map((arm) =>
      blocks.map((block) => ({
        arm: value(block, arm) + Math.log(ratio),
        baselines: [value(block, baseline), value(block, repeat)] as const,
      })),
    );
  });
}

/** Mixes a seed, because neighbouring seeds of the generator begin with similar numbers. */
function mixed(seed: number): Random {
  return seeded(Math.floor(seeded(seed)() * 2 ** 32));
}

function decideRows(table: Table, rows: readonly Trio[][]): Decision[] {
  return decide(
    rulesOf(table),
    rows.map((trios) => (blocks) => trios.slice(0, blocks)),
  );
}

function share(runs: number, holds: (seed: number) => boolean): number {
  let count = 0;
  for (let seed = 1; seed <= runs; seed++) if (holds(seed)) count++;
  return count / runs;
}

/** Share of runs with any difference called if every arm is `ratio` times the baseline: for 1, a false one. */
export function differences(table: Table, model: NoiseModel, ratio: number, runs: number): number {
  return share(runs, (seed) =>
    decideRows(table, simulatedRows(table, model, seed, ratio)).some(
      ({ call }) => call === "higher" || call === "lower",
    ),
  );
}

/** Share of runs with any false difference if no arm differs. */
export function falseDifferences(table: Table, model: NoiseModel, runs: number): number {
  return differences(table, model, 1, runs);
}

/** The same with the previous rule. */
export function oldFalseDifferences(table: Table, model: NoiseModel, runs: number): number {
  return share(runs, (seed) =>
    simulatedRows(table, model, seed).some((trios) => oldRule(trios, seed) !== null),
  );
}

/** Share of runs with any "no difference beyond the margin" if every arm is `ratio` times the baseline. */
export function equalities(table: Table, model: NoiseModel, ratio: number, runs: number): number {
  return share(runs, (seed) =>
    decideRows(table, simulatedRows(table, model, seed, ratio)).some(({ call }) => call === "same"),
  );
}

/** Share of 95 % intervals that contain the true ratio. */
export function coverage(blocks: number, model: NoiseModel, runs: number): number {
  const table = { figures: 1, arms: 1, looks: [blocks] };
  return share(runs, (seed) => {
    const [trios] = simulatedRows(table, model, seed);
    const { low, high } = hodgesLehmann(contrasts(trios ?? []));
    return low <= 0 && high >= 0;
  });
}

export interface Power {
  /** Share of runs in which a row is found to be higher. */
  readonly found: number;
  /** Blocks until then, or of the whole run, on average. */
  readonly blocks: number;
}

/** How often a row that is higher is found to be, if the p-values of the other rows do not help. */
export function power(table: Table, model: NoiseModel, ratio: number, runs: number): Power {
  const last = table.looks.at(-1) ?? 0;
  let blocks = 0;
  const found = share(runs, (seed) => {
    const rows = simulatedRows({ ...table, figures: 1, arms: 1 }, model, seed, ratio);
    const [decision] = decideRows(table, rows);
    blocks += decision?.look ?? last;
    return decision?.call === "higher";
  });
  return { found, blocks: blocks / runs };
}

/**
 * How often a run finds a row that is higher by the smallest factor that an earlier run with the same noise gave, if no other row
 * differs.
 */
export function foundAtSmallest(table: Table, model: NoiseModel, runs: number): number {
  const one = { ...table, figures: 1, arms: 1 };
  const last = table.looks.at(-1) ?? 0;
  return share(runs, (seed) => {
    const [earlier] = simulatedRows(one, model, seed);
    const factor = smallestFactor(earlier ?? [], rulesOf(table), last);
    if (factor === undefined) return false;
    const [decision] = decideRows(table, simulatedRows(one, model, runs + seed, factor));
    return decision?.call === "higher";
  });
}

export interface Stopped {
  /** Share of the runs that were decided at the first look. */
  readonly share: number;
  /** In these runs, the share of 95 % intervals that contain the true ratio, and the median of the estimates. */
  readonly coverage: number;
  readonly estimate: number;
  /** Share of 95 % intervals of all runs, each at the look where it stopped, that contain the true ratio. */
  readonly coverageOfAll: number;
}

/** What runs report that end as soon as their row is decided. */
export function whenStopped(table: Table, model: NoiseModel, ratio: number, runs: number): Stopped {
  const truth = Math.log(ratio);
  const [first = 0] = table.looks;
  const all = Array.from({ length: runs }, (_, index) => {
    const rows = simulatedRows({ ...table, figures: 1, arms: 1 }, model, index + 1, ratio);
    const [decision] = decideRows(table, rows);
    const look = decision?.look ?? table.looks.at(-1) ?? 0;
    const { centre, low, high } = hodgesLehmann(contrasts((rows[0] ?? []).slice(0, look)));
    return { early: look === first, centre, holds: low <= truth && truth <= high };
  });
  const early = all.filter((run) => run.early);
  const holding = (some: typeof all): number => some.filter(({ holds }) => holds).length / some.length;
  return {
    share: early.length / runs,
    coverage: holding(early),
    estimate: Math.exp(median(early.map(({ centre }) => centre))),
    coverageOfAll: holding(all),
  };
}

/** How often the previous rule found it. */
export function oldPower(blocks: number, model: NoiseModel, ratio: number, runs: number): number {
  const table = { figures: 1, arms: 1, looks: [blocks] };
  return share(runs, (seed) => oldRule(simulatedRows(table, model, seed, ratio)[0] ?? [], seed) === "higher");
}
