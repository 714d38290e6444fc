import fc from "fast-check";
import {
  contrasts,
  hodgesLehmann,
  median,
  noiseFloor,
  randomisationTest,
  signedRankTest,
  studentBelow,
  studentTest,
  type Trio,
} from "./statistics.ts";

const trio = (arm: number, first: number, second: number): Trio => ({ arm, baselines: [first, second] });
const values = (least: number, most: number): fc.Arbitrary<number[]> =>
  // Steps of 2^-20: half of a sum is exact, which it is not of the smallest doubles.
  fc.array(
    fc.integer({ min: -3 * 2 ** 20, max: 3 * 2 ** 20 }).map((steps) => steps / 2 ** 20),
    { minLength: least, maxLength: most },
  );
const trios = (least: number, most: number): fc.Arbitrary<Trio[]> =>
  fc.array(
    fc
      .array(fc.integer({ min: -9, max: 9 }), { minLength: 3, maxLength: 3 })
      .map(([a, b, c]) => trio(a!, b!, c!)),
    { minLength: least, maxLength: most },
  );

describe("randomisationTest", () => {
  it("should equal a count by hand: the arm is the highest of three, three times: 1 of 27", () => {
    const { above, below } = randomisationTest([trio(5, 1, 2), trio(6, 1, 2.5), trio(7, 0, 1)]);
    expect(above).toBeCloseTo(1 / 27, 12);
    expect(below).toBeCloseTo(1, 12);
  });

  it("should equal a count of all placements, including ties", () => {
    fc.assert(
      fc.property(trios(1, 5), (blocks) => {
        const { above, below } = randomisationTest(blocks);
        const counted = bruteForce(blocks);
        expect(above).toBeCloseTo(counted.above, 9);
        expect(below).toBeCloseTo(counted.below, 9);
      }),
      { numRuns: 100 },
    );
  });

  it("should not depend on the order of the baselines, or on the speed of a block", () => {
    fc.assert(
      fc.property(trios(3, 12), fc.integer({ min: -5, max: 5 }), (blocks, speed) => {
        const other = blocks.map(({ arm, baselines: [first, second] }) =>
          trio(arm + 3 * speed, second + 3 * speed, first + 3 * speed),
        );
        expect(randomisationTest(other).above).toBeCloseTo(randomisationTest(blocks).above, 9);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a shift", () => {
  const blocks = [trio(5, 1, 2), trio(6, 1, 2.5), trio(7, 0, 1), trio(4, 2, 3)];
  const moved = (by: number): Trio[] =>
    blocks.map(({ arm, baselines: [first, second] }) => trio(arm + by, first, second));

  it("should be subtracted from the arm in each of the tests", () => {
    for (const shift of [-2, 0.5, 3]) {
      expect(randomisationTest(moved(shift), shift)).toEqual(randomisationTest(blocks));
      for (const test of [signedRankTest, studentTest]) {
        const [there, here] = [test(contrasts(moved(shift)), shift), test(contrasts(blocks))];
        expect(there.above).toBeCloseTo(here.above, 9);
        expect(there.below).toBeCloseTo(here.below, 9);
      }
    }
  });

  it("should decide Student's test if all differences are equal", () => {
    expect(studentTest([2, 2, 2], 1)).toEqual({ above: 0, below: 1 });
    expect(studentTest([2, 2, 2], 3)).toEqual({ above: 1, below: 0 });
    expect(studentTest([2, 2, 2], 2)).toEqual({ above: 1, below: 1 });
  });
});

describe("noiseFloor", () => {
  it("should be the farther end of the interval between the baselines, in either direction", () => {
    const pairs = [0.1, -0.3, 0.2, 0.05, -0.1, 0.15, -0.25, 0.3].map((by) => trio(0, 1, 1 + by));
    const { low, high } = hodgesLehmann(pairs.map(({ baselines: [a, b] }) => b - a));
    expect(noiseFloor(pairs)).toBe(Math.max(-low, high));
    const turned = pairs.map(({ arm, baselines: [a, b] }) => trio(arm, b, a));
    expect(noiseFloor(turned)).toBeCloseTo(noiseFloor(pairs), 12);
  });
});

/** Tails of the randomisation test, from a list of all placements. */
function bruteForce(blocks: readonly Trio[]): { above: number; below: number } {
  // Times three, so that means are whole numbers and ties are exact.
  const aligned = blocks.flatMap(({ arm, baselines: [first, second] }) => {
    const sum = arm + first + second;
    return [3 * arm - sum, 3 * first - sum, 3 * second - sum];
  });
  const rank = (value: number): number =>
    aligned.filter((other) => other < value).length +
    (aligned.filter((other) => other === value).length + 1) / 2;
  let sums = [0];
  for (let block = 0; block < blocks.length; block++)
    sums = sums.flatMap((sum) => [0, 1, 2].map((turn) => sum + rank(aligned[3 * block + turn]!)));
  const observed = blocks.reduce((sum, _, block) => sum + rank(aligned[3 * block]!), 0);
  return {
    above: sums.filter((sum) => sum >= observed).length / sums.length,
    below: sums.filter((sum) => sum <= observed).length / sums.length,
  };
}

describe("signedRankTest", () => {
  it("should give the probabilities of the table of Wilcoxon's test", () => {
    // All of ten positive: 1 of 1,024.
    expect(signedRankTest([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).above).toBeCloseTo(1 / 1024, 12);
    // Ten values, sum of negative ranks 8: p = 0.0244 one-sided (any table).
    expect(signedRankTest([1, 2, 3, 4, 5, 6, 7, -8, 9, 10]).above).toBeCloseTo(25 / 1024, 12);
  });

  it("should be 1 if all values are equal", () => {
    expect(signedRankTest([0, 0, 0])).toEqual({ above: 1, below: 1 });
  });
});

describe("studentTest", () => {
  it.each([
    [12.706, 1],
    [4.303, 2],
    [3.182, 3],
    [2.776, 4],
    [2.262, 9],
    [2.145, 14],
    [2.045, 29],
  ])("should have 97.5 %% below %d with %d degrees of freedom, as in the table", (t, degrees) => {
    expect(studentBelow(t, degrees)).toBeCloseTo(0.975, 4);
    expect(studentBelow(-t, degrees)).toBeCloseTo(0.025, 4);
  });

  it("should test the mean against its error", () => {
    // mean 0.2, deviation 0.1, three values: t = 0.2 / (0.1 / sqrt 3) = 3.46
    expect(studentTest([0.1, 0.2, 0.3]).above).toBeCloseTo(1 - studentBelow(2 * Math.sqrt(3), 2), 9);
    expect(studentTest([0.2, 0.2, 0.2])).toEqual({ above: 0, below: 1 });
  });
});

describe("hodgesLehmann", () => {
  it("should be the median of the means of pairs", () => {
    // 1, 2, 6 and 1.5, 3.5, 4
    expect(hodgesLehmann([1, 6, 2]).centre).toBe(2.75);
  });

  it("should have as its interval the 9th from each end of ten values' 55 means, as in the table", () => {
    const ten = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256];
    const means = ten.flatMap((a, i) => ten.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
    expect(hodgesLehmann(ten)).toMatchObject({ low: means[8], high: means[46] });
  });

  it("should have no interval of 95 % with fewer than six blocks", () => {
    expect(hodgesLehmann([1, 2, 3, 4, 5])).toEqual({ centre: 3, low: -Infinity, high: Infinity });
    expect(hodgesLehmann([1, 2, 3, 4, 5, 6])).toEqual({ centre: 3.5, low: 1, high: 6 });
  });

  it("should exclude 0 exactly if the signed-rank test rejects it at 5 %", () => {
    fc.assert(
      fc.property(values(6, 20), (differences) => {
        fc.pre(new Set(differences.map(Math.abs)).size === differences.length && !differences.includes(0));
        const { low, high } = hodgesLehmann(differences);
        const { above, below } = signedRankTest(differences);
        expect(low > 0 || high < 0).toBe(Math.min(above, below) <= 0.025);
      }),
      { numRuns: 100 },
    );
  });

  it("should move with the values", () => {
    const { centre, low, high } = hodgesLehmann(
      contrasts([1, 2, 3, 4, 5, 6, 7].map((arm) => trio(arm, 0, 2))),
    );
    expect({ centre, low, high }).toEqual({ centre: 3, low: 1, high: 5 });
  });
});

describe("median", () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[-10, 2], -4],
  ])("of %j should be %d", (list, expected) => {
    expect(median(list)).toBe(expected);
  });
});
