import fc from "fast-check";
import { bucketMiddles } from "./histogram.ts";

/** Lower bound of the bucket of a value, as runner/disgrafs_benchmark/histogram.py has it. */
function lowerBound(value: number): number {
  const width = 2 ** Math.max(0, value.toString(2).length - 4);
  return Math.floor(value / width) * width;
}

describe("bucketMiddles", () => {
  it("should be at most a sixteenth off from any latency in the bucket, on either side", () => {
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

  it("should leave small values alone, which have a bucket each", () => {
    expect(
      [...bucketMiddles(new Map([0, 1, 8, 15].map((value) => [value, 1])))].map(([value]) => value),
    ).toEqual([0, 1, 8, 15]);
  });
});
