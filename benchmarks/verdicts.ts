/**
 * Decides the verdicts of a run's rows. At most 5 % of runs may contain a false verdict: 4 % for differences where the true
 * ratio is 1, and 1 % for equality where it is beyond the margin, each divided over the looks at the data, and by Holm's method
 * over the table's rows.
 */
import {
  contrasts,
  hodgesLehmann,
  randomisationTest,
  signedRankTest,
  studentTest,
  type Trio,
} from "./statistics.ts";

/** Rules that are fixed before the run. */
export interface Rules {
  /** Numbers of blocks after which the data is analysed, ascending; the last is the whole run. */
  readonly looks: readonly number[];
  /** Number of rows of the table, including those without a figure. */
  readonly rows: number;
  /** Ratios between 1 / factor and factor do not matter. */
  readonly marginFactor: number;
}

/** Against the baseline, whether that is good or not. */
export type Call = "higher" | "lower" | "same";

export interface Decision {
  readonly call: Call | null;
  /** Number of blocks at the look that decided. */
  readonly look: number | null;
}

export const levels = { difference: 0.04, same: 0.01 } as const;
/** Two-sided level of the signed-rank test that every verdict must also pass. */
export const guardLevel = 0.01;

/** With fewer blocks, no test can reach the level of a verdict. */
export const fewestBlocks = 8;

type Side = "above" | "below";

/**
 * Decides the rows of a table. A decision of an earlier look is final.
 * @param row returns the blocks of a row up to a look; undefined if too few of them are valid
 * @param looks number of looks that have been reached
 */
export function decide(
  rules: Rules,
  rows: readonly ((blocks: number) => readonly Trio[] | undefined)[],
  looks = rules.looks.length,
): Decision[] {
  const decisions: Decision[] = rows.map(() => ({ call: null, look: null }));
  for (const look of rules.looks.slice(0, looks)) {
    const open = rows.flatMap((row, index) => {
      const trios = decisions[index]?.call === null ? row(look) : undefined;
      return trios ? [{ index, trios }] : [];
    });
    const level = levelsAt(rules, look, decisions);
    const margin = Math.log(rules.marginFactor);
    const same = holm(
      open.map(({ trios }) => samePValue(trios, margin, level.same.whole)),
      level.same,
    );
    const tests = open.map(({ trios }) => difference(trios, level.difference.whole));
    const different = holm(
      tests.map(({ p }) => p),
      level.difference,
    );
    open.forEach(({ index }, place) => {
      const test = tests[place];
      // A difference counts only if it matters: its interval must not reach into the margin.
      const matters = test && (test.low > margin || test.high < -margin);
      const call = same[place] ? "same" : different[place] && matters ? test.call : undefined;
      if (call) decisions[index] = { call, look };
    });
  }
  return decisions;
}

interface Level {
  /** Level of the whole table at this look. */
  readonly whole: number;
  /** Number of rows that share it. */
  readonly rows: number;
}

/** The levels of a look, proportional to the blocks since the previous look. */
function levelsAt(
  { looks, rows }: Rules,
  look: number,
  earlier: readonly Decision[],
): Record<keyof typeof levels, Level> {
  const before = Math.max(0, ...looks.filter((blocks) => blocks < look));
  const share = (look - before) / Math.max(...looks);
  const count = (wanted: (call: Call | null) => boolean): number =>
    earlier.filter(({ call }) => wanted(call)).length;
  return {
    difference: {
      whole: levels.difference * share,
      rows: rows - count((call) => call === "higher" || call === "lower"),
    },
    same: { whole: levels.same * share, rows: rows - count((call) => call === "same") },
  };
}

/** Which p-values Holm's procedure accepts. */
function holm(pValues: readonly number[], { whole, rows }: Level): boolean[] {
  const passed = pValues.map(() => false);
  const order = [...pValues.keys()].sort((a, b) => (pValues[a] ?? 1) - (pValues[b] ?? 1));
  for (const [step, index] of order.entries()) {
    if ((pValues[index] ?? 1) > whole / (rows - step)) break;
    passed[index] = true;
  }
  return passed;
}

/**
 * Two-sided p of "the arm equals the baseline"; 1 if it is above `worth`, or if the signed-rank test does not confirm it. With the
 * ends of the 95 % interval of the log-ratio.
 */
export function difference(
  trios: readonly Trio[],
  worth = 1,
): { p: number; call: "higher" | "lower"; low: number; high: number } {
  const { centre, low, high } = hodgesLehmann(contrasts(trios));
  const side: Side = centre > 0 ? "above" : "below";
  return {
    p: Math.min(1, 2 * oneSided(trios, 0, side, worth / 2)),
    call: side === "above" ? "higher" : "lower",
    low,
    high,
  };
}

/** p of "the ratio differs from 1 by `margin` or more": the larger of the two one-sided values. */
export function samePValue(trios: readonly Trio[], margin: number, worth = 1): number {
  const high = oneSided(trios, margin, "below", worth);
  return high > worth ? 1 : Math.max(high, oneSided(trios, -margin, "above", worth));
}

/**
 * p of "the log-ratio is `shift`" against a one-sided alternative: the larger p of two tests. The randomisation test is exact
 * for any noise if the arm has the same noise as the baseline; Student's test is exact if the arm has normal noise of its own.
 * The cheaper test runs first: if its p is already too large, the other cannot make it smaller.
 */
function oneSided(trios: readonly Trio[], shift: number, side: Side, worth: number): number {
  const differences = contrasts(trios);
  const student = studentTest(differences, shift)[side];
  if (student > worth || signedRankTest(differences, shift)[side] > guardLevel / 2) return 1;
  return Math.max(student, randomisationTest(trios, shift)[side]);
}

/**
 * Standard errors of an estimate: it is not further below the truth in nine runs of ten, if the noise is known; and half of the
 * 95 % interval. The noise is only estimated, so that simulated runs find the factor in about four of five (benchmarks/simulation/).
 */
const errors = { below: 1.2816, interval: 1.96 } as const;

/**
 * The smallest true factor that about four of five runs with this row's noise would call a difference, at the level of one row in
 * this look; undefined if there are too few blocks to call any. It is the smallest estimate that would be called, and what an
 * estimate may be too small by.
 */
export function smallestFactor(trios: readonly Trio[], rules: Rules, look: number): number | undefined {
  const { difference: level } = levelsAt(rules, look, []);
  const worth = level.whole / level.rows / 2;
  const { centre, low, high } = hodgesLehmann(contrasts(trios));
  const margin = Math.log(rules.marginFactor);
  const beyond = margin + Math.max(centre - low, high - centre);
  const sides = (["above", "below"] as const).map((side) => {
    const sign = side === "above" ? -1 : 1;
    return least((size) => oneSided(trios, centre + sign * size, side, worth) <= worth);
  });
  if (sides.some((size) => size === undefined)) return undefined;
  const called = Math.max(beyond, ...(sides as number[]));
  return Math.exp(called + (errors.below * (high - low)) / 2 / errors.interval);
}

/** A log-ratio so large that a run detects it if it can detect any. */
const largest = Math.log(1e4);

/** Smallest size, to three digits, for which a monotonic test returns true. */
function least(called: (size: number) => boolean): number | undefined {
  if (!called(largest)) return undefined;
  let [low, high] = [0, largest];
  while (high - low > 0.001 * Math.max(high, 0.01)) {
    const middle = (low + high) / 2;
    if (called(middle)) high = middle;
    else low = middle;
  }
  return high;
}
