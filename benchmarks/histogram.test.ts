import fc from "fast-check";
import {
  bucketMiddles,
  distribution,
  fromRecord,
  merge,
  quantile,
  total,
  type Histogram,
} from "./histogram.ts";

/** Lower bound of a value's bucket, as in runner/disgrafs_benchmark/histogram.py. */
function lowerBound(value: number): number {
  const width = 2 ** Math.max(0, value.toString(2).length - 4);
  return Math.floor(value / width) * width;
}

const latencies = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 50 });

/** A histogram of a list of latencies. */
function histogramOf(list: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const each of list) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}

describe("merge", () => {
  it("should equal a histogram of all operations", () => {
    fc.assert(
      fc.property(latencies, latencies, (a, b) => {
        const both = merge([histogramOf(a), histogramOf(b)]);
        expect(new Map(both)).toEqual(histogramOf([...a, ...b]));
        expect(total(both)).toBe(a.length + b.length);
      }),
    );
  });
});

describe("quantile", () => {
  it("should be the smallest latency that a share of the operations does not exceed", () => {
    fc.assert(
      fc.property(latencies, fc.integer({ min: 1, max: 100 }), (list, percent) => {
        const sorted = [...list].sort((a, b) => a - b);
        const rank = Math.ceil(list.length * (percent / 100));
        expect(quantile(histogramOf(list), percent / 100)).toBe(sorted[rank - 1]);
      }),
    );
  });

  it("should be the smallest latency for a share of 0, and undefined without operations", () => {
    const some = fromRecord({ 9: 1, 3: 0, 5: 2 });
    expect(quantile(some, 0)).toBe(5);
    expect(quantile(some, 1)).toBe(9);
    expect(quantile(new Map(), 0.5)).toBeUndefined();
  });
});

describe("distribution", () => {
  it("should rise to 100 % over latencies in microseconds, fastest first", () => {
    const histogram = new Map([
      [10_000, 1],
      [2_000, 3],
    ]);
    expect(distribution(histogram)).toEqual([
      [2, 75],
      [10, 100],
    ]);
  });
});

describe("bucketMiddles", () => {
  it("should differ from any latency in the bucket by at most a sixteenth", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e10 }), (latency) => {
        const [[middle, count]] = [...bucketMiddles(new Map([[lowerBound(latency), 7]]))] as [
          [number, number],
        ];
        expect(count).toBe(7);
        expect(Math.abs(middle - latency) / latency).toBeLessThanOrEqual(1 / 16);
      }),
    );
  });

  it("should equal small values, which have a bucket each", () => {
    expect(
      [...bucketMiddles(new Map([0, 1, 8, 15].map((value) => [value, 1])))].map(([value]) => value),
    ).toEqual([0, 1, 8, 15]);
  });
});
