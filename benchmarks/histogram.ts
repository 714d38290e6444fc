/** Latency histograms, which can be merged, unlike percentiles. */

/** Counts by latency in nanoseconds (the middle of the bucket). */
export type Histogram = ReadonlyMap<number, number>;

export function merge(histograms: Iterable<Histogram>): Histogram {
  const sum = new Map<number, number>();
  for (const histogram of histograms)
    for (const [value, count] of histogram) sum.set(value, (sum.get(value) ?? 0) + count);
  return sum;
}

export function total(histogram: Histogram): number {
  return [...histogram.values()].reduce((sum, count) => sum + count, 0);
}

/** Latency in nanoseconds that a share (0 to 1) of all operations does not exceed; undefined for an empty histogram. */
export function quantile(histogram: Histogram, share: number): number | undefined {
  const values = [...histogram.keys()].sort((a, b) => a - b);
  const wanted = total(histogram) * share;
  let seen = 0;
  for (const value of values) {
    seen += histogram.get(value) ?? 0;
    if (seen >= wanted && seen > 0) return value;
  }
  return undefined;
}

/** Points of the cumulative distribution: [latency in microseconds, percent of operations not slower], ascending. */
export function distribution(histogram: Histogram): [number, number][] {
  const all = total(histogram);
  let seen = 0;
  return [...histogram]
    .sort(([a], [b]) => a - b)
    .map(([value, count]) => {
      seen += count;
      return [value / 1000, (100 * seen) / all];
    });
}

/** A histogram from JSON: keys are nanoseconds as text. */
export function fromRecord(record: Readonly<Record<string, number>>): Histogram {
  return new Map(Object.entries(record).map(([value, count]) => [Number(value), count]));
}

/** Significant bits that the runner keeps of a latency (KEPT_BITS in runner/disgrafs_benchmark/histogram.py). */
const keptBits = 4;

/** From the lower bounds of the runner's buckets to their middles, which are at most a sixteenth off. (fio gives middles.) */
export function bucketMiddles(lowerBounds: Histogram): Histogram {
  return new Map(
    [...lowerBounds].map(([lower, count]) => {
      const bits = lower < 1 ? 0 : Math.floor(Math.log2(lower)) + 1;
      const width = 2 ** Math.max(0, bits - keptBits);
      return [lower + (width - 1) / 2, count];
    }),
  );
}
