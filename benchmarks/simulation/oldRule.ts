/**
 * The rule for verdicts until November 2026, kept for comparison: for each row, the percentile bootstrap of the median ratio to
 * one baseline must exclude 1, and its centre must lie outside the interval of the A/A pair.
 */
import { seeded, type Random } from "../random.ts";
import { median, type Trio } from "../statistics.ts";
import type { Call } from "../verdicts.ts";

const resamples = 2000;
const none = Number.NaN;

export function oldRule(trios: readonly Trio[], seed: number): Call | null {
  const random = seeded(seed);
  const arm = bootstrap(
    trios.map(({ arm: value, baselines: [first] }) => value - first),
    random,
  );
  const repeat = bootstrap(
    trios.map(({ baselines: [first, second] }) => second - first),
    random,
  );
  const floor = Math.max(Math.abs(repeat.low), Math.abs(repeat.high));
  if ((arm.low <= 0 && arm.high >= 0) || Math.abs(arm.centre) <= floor) return null;
  return arm.centre > 0 ? "higher" : "lower";
}

function bootstrap(
  values: readonly number[],
  random: Random,
): { readonly centre: number; readonly low: number; readonly high: number } {
  const medians = Float64Array.from({ length: resamples }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)] ?? none)),
  ).sort();
  const tail = Math.floor(resamples * 0.025);
  return {
    centre: median(values),
    low: medians[tail] ?? none,
    high: medians[resamples - 1 - tail] ?? none,
  };
}
