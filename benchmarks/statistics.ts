/**
 * The one implementation of the statistics: paired per-block log-ratios, their interval, the noise floor from the A/A
 * pair, and the verdict. Ratios are arm over baseline; logs keep a gain and its loss the same size.
 */
import { seeded, type Random } from "./random.ts";

/** Centre and 95 % interval of log-ratios. */
export interface Interval {
  readonly centre: number;
  readonly low: number;
  readonly high: number;
  /**
   * bootstrap: median, and percentiles of the medians of resampled blocks. student: mean and Student's t, below 8
   * blocks, where resampling so few values would give an interval that is far too narrow.
   */
  readonly method: "bootstrap" | "student";
}

export type Difference = "better" | "worse" | "within noise";

/** Fewest blocks for a bootstrap interval. */
export const bootstrapBlocks = 8;
/** Fewest blocks for any interval. */
export const fewestBlocks = 2;
const resamples = 2000;
/** Stands for a value that cannot be missing. */
const none = Number.NaN;

/** Two-sided 95 % quantiles of Student's t for 1 to 6 degrees of freedom (any table of the distribution). */
const student95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447];

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? none;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? none) + upper) / 2;
}

/** Interval of the log-ratios of at least two blocks. The same values and seed give the same interval. */
export function interval(logRatios: readonly number[], seed: number): Interval {
  if (logRatios.length < fewestBlocks)
    throw new Error(`an interval needs at least ${fewestBlocks} blocks, not ${logRatios.length}`);
  return logRatios.length < bootstrapBlocks ? student(logRatios) : bootstrap(logRatios, seeded(seed));
}

function student(values: readonly number[]): Interval {
  const count = values.length;
  const centre = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (count - 1);
  const half = (student95[count - 2] ?? none) * Math.sqrt(variance / count);
  return { centre, low: centre - half, high: centre + half, method: "student" };
}

/** Resamples by how often each of the sorted values is drawn: the median is then found without sorting again. */
function bootstrap(values: readonly number[], random: Random): Interval {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const drawn = new Uint32Array(count);
  const medians = new Float64Array(resamples);
  for (let index = 0; index < resamples; index++) {
    drawn.fill(0);
    for (let draw = 0; draw < count; draw++) {
      const place = (random() * count) | 0;
      drawn[place] = (drawn[place] ?? 0) + 1;
    }
    medians[index] = (ranked(sorted, drawn, (count - 1) >> 1) + ranked(sorted, drawn, count >> 1)) / 2;
  }
  medians.sort();
  const tail = Math.floor(resamples * 0.025);
  return {
    centre: median(values),
    low: medians[tail] ?? none,
    high: medians[resamples - 1 - tail] ?? none,
    method: "bootstrap",
  };
}

/** The value of a rank (from 0) in a sample that holds each sorted value as often as it was drawn. */
function ranked(sorted: Float64Array, drawn: Uint32Array, rank: number): number {
  let seen = 0;
  for (let index = 0; index < sorted.length; index++) {
    seen += drawn[index] ?? 0;
    if (seen > rank) return sorted[index] ?? none;
  }
  return none;
}

/** Size of a log-ratio that the machine shows against itself: the farther end of the A/A pair's interval. */
export function noiseFloor(repeat: Interval): number {
  return Math.max(Math.abs(repeat.low), Math.abs(repeat.high));
}

/**
 * A difference is called only when the interval excludes "no difference" and its centre lies beyond the noise floor.
 * See docs/benchmarks.md for the rates at which this is wrong, and statistics.test.ts for their simulation.
 */
export function difference(arm: Interval, floor: number, better: "higher" | "lower"): Difference {
  const real = (arm.low > 0 || arm.high < 0) && Math.abs(arm.centre) > floor;
  if (!real) return "within noise";
  return arm.centre > 0 === (better === "higher") ? "better" : "worse";
}
