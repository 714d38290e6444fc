import fc from "fast-check";
import { normal, seeded } from "./random.ts";
import { difference, interval, median, noiseFloor, type Difference } from "./statistics.ts";

/** One simulated run: `blocks` blocks whose points have 2 % noise, and an arm that is `gain` times the baseline. */
function simulate(
  seed: number,
  blocks: number,
  gain: number,
  spoil = (ratios: number[]) => ratios,
): Difference {
  const random = seeded(seed);
  const points = (): number[] => Array.from({ length: blocks }, () => 0.02 * normal(random));
  const [base, repeat, arm] = [points(), points(), points()];
  const against = (values: number[]): number[] => values.map((value, index) => value - base[index]!);
  const floor = noiseFloor(interval(against(repeat), seed));
  const ratios = spoil(against(arm).map((value) => value + Math.log(gain)));
  return difference(interval(ratios, seed + 1), floor, "higher");
}

function rate(verdict: Difference, runs: number, blocks: number, gain: number): number {
  const seeds = Array.from({ length: runs }, (_, index) => index * 7919 + blocks);
  return seeds.filter((seed) => simulate(seed, blocks, gain) === verdict).length / runs;
}

describe("verdict of a simulated run", () => {
  it("should be `within noise` in at least 98 % of 1,000 A/A runs of ten blocks", () => {
    expect(rate("within noise", 1000, 10, 1)).toBeGreaterThanOrEqual(0.98);
  });

  it("should be `within noise` in at least 97 % of 1,000 A/A runs of three blocks", () => {
    expect(rate("within noise", 1000, 3, 1)).toBeGreaterThanOrEqual(0.97);
  });

  it("should find a 5 % gain in at least 85 % of runs of ten blocks with 2 % noise", () => {
    expect(rate("better", 400, 10, 1.05)).toBeGreaterThanOrEqual(0.85);
  });

  it("should find a 5 % loss as often, and never take it for a gain", () => {
    expect(rate("worse", 400, 10, 1 / 1.05)).toBeGreaterThanOrEqual(0.85);
    expect(rate("better", 400, 10, 1 / 1.05)).toBe(0);
  });

  it("should find a threefold gain with three blocks, as a smoke run has", () => {
    expect(rate("better", 200, 3, 3)).toBe(1);
  });

  it.each([
    ["a tenth", -Math.log(10)],
    ["ten times", Math.log(10)],
  ])("should not flip when a lone block of ten shows %s of what the others show", (_, outlier) => {
    const spoil = ([, ...rest]: number[]): number[] => [outlier, ...rest];
    const seeds = Array.from({ length: 100 }, (__, seed) => seed * 104729 + 1);
    const flipped = (gain: number): number =>
      seeds.filter((seed) => simulate(seed, 10, gain) !== simulate(seed, 10, gain, spoil)).length;
    // A clear gain stays a gain; no gain stays none, but for the few of a hundred that were at the edge already.
    expect(flipped(1.1)).toBeLessThanOrEqual(2);
    expect(flipped(1)).toBeLessThanOrEqual(5);
  });
});

describe("interval", () => {
  it("should give the t interval of three known values", () => {
    // mean 0.2, standard deviation 0.1: half width 4.303 * 0.1 / sqrt(3)
    const { centre, low, high, method } = interval([0.1, 0.2, 0.3], 1);
    expect(method).toBe("student");
    expect([centre, low, high]).toEqual(
      [0.2, -0.0484, 0.4484].map((value) => expect.closeTo(value, 4) as number),
    );
  });

  it("should be the same for the same seed and lie within the values", () => {
    const values = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 40 });
    fc.assert(
      fc.property(values, fc.nat(), (ratios, seed) => {
        const first = interval(ratios, seed);
        expect(interval(ratios, seed)).toEqual(first);
        expect(first.low).toBeLessThanOrEqual(first.centre);
        expect(first.high).toBeGreaterThanOrEqual(first.centre);
        expect(first.low).toBeGreaterThanOrEqual(Math.min(...ratios));
        expect(first.high).toBeLessThanOrEqual(Math.max(...ratios));
      }),
      { numRuns: 30 },
    );
  });

  it("should refuse a single block", () => {
    expect(() => interval([0.5], 1)).toThrow("an interval needs at least 2 blocks, not 1");
  });
});

describe("difference", () => {
  const clear = { centre: 0.2, low: 0.1, high: 0.3, method: "bootstrap" } as const;

  it("should call nothing a difference that lies inside the noise floor", () => {
    expect(difference(clear, 0.25, "higher")).toBe("within noise");
    expect(difference(clear, 0.15, "higher")).toBe("better");
  });

  it("should call more of a time worse", () => {
    expect(difference(clear, 0.15, "lower")).toBe("worse");
  });

  it("should call nothing a difference whose interval holds zero", () => {
    expect(difference({ ...clear, low: -0.01 }, 0, "higher")).toBe("within noise");
  });
});

describe("median", () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[-10, 2], -4],
  ])("of %j should be %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });
});
