/**
 * The statistics of one row of the verdict table: an arm compared with the baseline, which has two turns in each block.
 * Values are logarithms, so that a gain and the inverse loss have the same size. docs/benchmarks.md explains the choice of
 * tests; benchmarks/simulation/ measures their error rates.
 */

/** Logs of a figure in one block: the arm's turn, and the baseline's two. */
export interface Trio {
  readonly arm: number;
  readonly baselines: readonly [number, number];
}

/** Centre and 95 % interval of log-ratios. With too few blocks for an interval, its ends are infinite. */
export interface Interval {
  readonly centre: number;
  readonly low: number;
  readonly high: number;
}

/** One-sided p-values: the probability of a value at least as high, or at least as low, by chance. */
export interface Sides {
  readonly above: number;
  readonly below: number;
}

/** Fallback for array elements that always exist. */
const none = Number.NaN;

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? none;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? none) + upper) / 2;
}

/** Log-ratios of the arm to the mean of the two baselines, one per block. */
export function contrasts(trios: readonly Trio[]): number[] {
  return trios.map(({ arm, baselines: [first, second] }) => arm - (first + second) / 2);
}

/**
 * Exact randomisation test of which of the three turns of each block is the arm's: if the arm were equal to the baseline, all
 * three would be equally likely. The statistic is the arm's sum of aligned ranks (Hodges and Lehmann, 1962): the ranks, over
 * the whole row, of values minus the mean of their block.
 */
export function randomisationTest(trios: readonly Trio[], shift = 0): Sides {
  const aligned = new Float64Array(3 * trios.length);
  trios.forEach(({ arm, baselines: [first, second] }, block) => {
    const moved = arm - shift;
    const sum = moved + first + second;
    // Three times the difference from the mean: without a division, equal values stay exactly equal.
    aligned[3 * block] = 3 * moved - sum;
    aligned[3 * block + 1] = 3 * first - sum;
    aligned[3 * block + 2] = 3 * second - sum;
  });
  const ranks = doubledRanks(aligned);
  const choices = trios.map((_, block) => ranks.slice(3 * block, 3 * block + 3));
  return exactTails(
    choices,
    choices.reduce((sum, [arm = none]) => sum + arm, 0),
  );
}

/** Exact signed-rank test (Wilcoxon) of log-ratios against `shift`: if they are symmetric about it, both signs are equally likely. */
export function signedRankTest(differences: readonly number[], shift = 0): Sides {
  const moved = differences.map((value) => value - shift);
  const ranks = doubledRanks(Float64Array.from(moved, Math.abs));
  const positive = moved.reduce((sum, value, index) => {
    const rank = ranks[index] ?? none;
    return sum + (value > 0 ? rank : value === 0 ? rank / 2 : 0);
  }, 0);
  // Half a rank for a zero: it favours neither direction.
  const choices = moved.map((value, index) => {
    const rank = ranks[index] ?? none;
    return value === 0 ? Float64Array.of(rank / 2, rank / 2) : Float64Array.of(0, rank);
  });
  return exactTails(choices, positive);
}

/** Student's t-test of log-ratios against `shift`: valid for an arm with any noise of its own, as long as the noise is normal. */
export function studentTest(differences: readonly number[], shift = 0): Sides {
  const count = differences.length;
  const mean = differences.reduce((sum, value) => sum + value, 0) / count;
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const error = Math.sqrt(variance / count);
  if (error === 0) return { above: mean > shift ? 0 : 1, below: mean < shift ? 0 : 1 };
  const below = studentBelow((mean - shift) / error, count - 1);
  return { above: 1 - below, below };
}

/** Probability that Student's t is at most `t` (Abramowitz and Stegun 26.7.3 and 26.7.4: exact for integer degrees of freedom). */
export function studentBelow(t: number, degrees: number): number {
  const angle = Math.atan(Math.abs(t) / Math.sqrt(degrees));
  const cosine = Math.cos(angle);
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let index = odd ? 3 : 2; index < degrees - 1; index += 2) {
    term *= ((index - 1) / index) * cosine * cosine;
    sum += term;
  }
  const inside = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return t >= 0 ? (1 + inside) / 2 : (1 - inside) / 2;
}

/**
 * Hodges-Lehmann estimate: the median of the means of all pairs of log-ratios, including each value with itself. The interval
 * contains the shifts that the exact signed-rank test does not reject at 5 %, so it needs at least six blocks.
 */
export function hodgesLehmann(differences: readonly number[]): Interval {
  const count = differences.length;
  if (count === 0) throw new Error("an estimate needs at least one block");
  const means = new Float64Array((count * (count + 1)) / 2);
  let next = 0;
  for (let first = 0; first < count; first++)
    for (let second = first; second < count; second++)
      means[next++] = ((differences[first] ?? none) + (differences[second] ?? none)) / 2;
  means.sort();
  const outside = meansOutside(count);
  return {
    centre: median([...means]),
    low: outside === 0 ? -Infinity : (means[outside - 1] ?? none),
    high: outside === 0 ? Infinity : (means[means.length - outside] ?? none),
  };
}

const outsideByCount = new Map<number, number>();

/** 1-based position of the interval's ends among the sorted pairwise means, from either end; 0 if there is no 95 % interval. */
function meansOutside(count: number): number {
  const known = outsideByCount.get(count);
  if (known !== undefined) return known;
  const chances = distribution(Array.from({ length: count }, (_, index) => Float64Array.of(0, index + 1)));
  let sum = 0;
  let outside = 0;
  while (sum + (chances[outside] ?? none) <= 0.025) sum += chances[outside++] ?? none;
  outsideByCount.set(count, outside);
  return outside;
}

/** The noise floor as a log-ratio: the farther end of the interval of the A/A pair, the baseline compared with itself. */
export function noiseFloor(trios: readonly Trio[]): number {
  const { low, high } = hodgesLehmann(trios.map(({ baselines: [first, second] }) => second - first));
  return Math.max(Math.abs(low), Math.abs(high));
}

/** Ranks from 1, doubled, so that the mean rank of ties is an integer. */
function doubledRanks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((a, b) => (values[a] ?? none) - (values[b] ?? none));
  const ranks = new Float64Array(values.length);
  for (let begin = 0; begin < order.length;) {
    let end = begin + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[begin] ?? 0]) end++;
    for (let place = begin; place < end; place++) ranks[order[place] ?? 0] = begin + 1 + end;
    begin = end;
  }
  return ranks;
}

/** Probabilities of a sum at least and at most as large as the observed one, if each block contributes a random one of its choices. */
function exactTails(choices: readonly Float64Array[], observed: number): Sides {
  // Without ties all values are even, and half of the steps suffice.
  const even = choices.every((values) => values.every((value) => value % 2 === 0));
  const scaled = even ? choices.map((values) => values.map((value) => value / 2)) : choices;
  const least = scaled.reduce((sum, values) => sum + Math.min(...values), 0);
  const chances = distribution(scaled);
  const place = (even ? observed / 2 : observed) - least;
  let [above, below] = [0, 0];
  for (let sum = 0; sum < chances.length; sum++) {
    const chance = chances[sum] ?? none;
    if (sum >= place) above += chance;
    if (sum <= place) below += chance;
  }
  return { above: Math.min(1, above), below: Math.min(1, below) };
}

/** Probability of each sum, from the smallest possible, of one integer from each list, all elements of a list equally likely. */
function distribution(choices: readonly Float64Array[]): Float64Array {
  let chances = Float64Array.of(1);
  for (const values of choices) {
    const least = Math.min(...values);
    const wider = new Float64Array(chances.length + Math.max(...values) - least);
    for (const value of values) {
      const offset = value - least;
      for (let sum = 0; sum < chances.length; sum++)
        wider[sum + offset] = (wider[sum + offset] ?? none) + (chances[sum] ?? none);
    }
    const share = 1 / values.length;
    for (let sum = 0; sum < wider.length; sum++) wider[sum] = (wider[sum] ?? none) * share;
    chances = wider;
  }
  return chances;
}
