import { normal, seeded } from "./random.ts";
import type { Trio } from "./statistics.ts";
import { decide, fewestBlocks, levels, smallestFactor, type Decision, type Rules } from "./verdicts.ts";

const rules: Rules = { looks: [10], rows: 29, marginFactor: 1.05 };

/** Blocks whose points have `noise`, and an arm that is `ratio` times the baseline. */
function blocks(count: number, ratio: number, noise: number, seed = 1): Trio[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    arm: Math.log(ratio) + noise * normal(random),
    baselines: [noise * normal(random), noise * normal(random)],
  }));
}
type Row = Parameters<typeof decide>[1][number];
const upTo =
  (trios: readonly Trio[]): Row =>
  (count) =>
    trios.slice(0, count);

/** The smallest number of rows for which a single row gets no verdict. */
const tooManyFor = (row: Row): number =>
  Array.from({ length: 2000 }, (_, index) => index + 1).find(
    (count) => decide({ ...rules, rows: count }, [row])[0]!.call === null,
  )!;

describe("decide", () => {
  it("should call a clear difference, an equality and nothing in their own rows", () => {
    const rows = [blocks(10, 2, 0.1), blocks(10, 0.5, 0.1), blocks(10, 1.001, 0.002), blocks(10, 1.1, 0.3)];
    expect(decide(rules, rows.map(upTo))).toEqual([
      { call: "higher", look: 10 },
      { call: "lower", look: 10 },
      { call: "same", look: 10 },
      { call: null, look: null },
    ]);
  });

  it("should call a difference that is proven to be too small to matter no difference", () => {
    const rows = [upTo(blocks(10, 1.01, 0.001))];
    expect(decide(rules, rows)).toEqual([{ call: "same", look: 10 }]);
    expect(decide({ ...rules, marginFactor: 1.005 }, rows)).toEqual([{ call: "higher", look: 10 }]);
  });

  it("should not call a difference within the margin, however certain it is", () => {
    const rows = [upTo(blocks(10, 1.045, 0.004)), upTo(blocks(10, 1 / 1.045, 0.004))];
    expect(decide({ ...rules, rows: 1 }, rows).map(({ call }) => call)).not.toContain("higher");
    expect(decide({ ...rules, rows: 1 }, rows).map(({ call }) => call)).not.toContain("lower");
    expect(decide({ ...rules, rows: 1, marginFactor: 1.04 }, rows).map(({ call }) => call)).toEqual([
      "higher",
      "lower",
    ]);
  });

  it("should require more of each row if there are more rows", () => {
    const rows = [upTo(blocks(10, 1.57, 0.3))];
    expect(decide({ ...rules, rows: 1 }, rows)[0]!.call).toBe("higher");
    expect(decide({ ...rules, rows: 10_000 }, rows)[0]!.call).toBeNull();
  });

  it("should accept a weaker row after stronger ones (Holm)", () => {
    const weak = upTo(blocks(10, 1.57, 0.3));
    const family = tooManyFor(weak);
    const strong = Array.from({ length: family - 1 }, () => upTo(blocks(10, 9, 0.05)));
    const decisions = decide({ ...rules, rows: family }, [weak, ...strong]);
    expect(decisions[0]!.call).toBe("higher");
  });

  it("should decide at the first possible look, and keep that verdict", () => {
    const clear = blocks(30, 2, 0.1);
    const spoilt = clear.map((trio, index) => (index < 10 ? trio : { ...trio, arm: 0 }));
    const looks = { ...rules, looks: [10, 15, 20, 30] };
    expect(decide(looks, [upTo(spoilt)])).toEqual([{ call: "higher", look: 10 }]);
    const late = blocks(30, 1.35, 0.3);
    const decided = decide(looks, [upTo(late)])[0]!;
    expect(decided.call).toBe("higher");
    expect(decided.look).toBeGreaterThan(10);
    expect(decide(looks, [upTo(late)], 1)).toEqual([{ call: null, look: null }]);
  });

  it("should give no verdict for an arm that alternates between better and worse", () => {
    const noisy = Array.from({ length: 30 }, (_, index) => ({
      arm: index % 2 === 0 ? 2 : -2,
      baselines: [0.001 * index, -0.001 * index] as [number, number],
    }));
    expect(decide({ ...rules, looks: [30] }, [upTo(noisy)])[0]!.call).toBeNull();
  });

  it("should give no verdict for a row without blocks, or with too few", () => {
    const clear = blocks(10, 5, 0.01);
    expect(decide(rules, [() => undefined])[0]!.call).toBeNull();
    expect(decide({ ...rules, rows: 1 }, [() => clear.slice(0, fewestBlocks - 1)])[0]!.call).toBeNull();
    expect(decide({ ...rules, rows: 1 }, [() => clear.slice(0, fewestBlocks)])[0]!.call).toBe("higher");
  });

  describe("should spend its level", () => {
    /** Whether one rule gives a verdict for some ratio for which the other gives none, and never the other way round. */
    const isLaxer = (one: (ratio: number) => Decision, other: (ratio: number) => Decision): boolean => {
      const ratios = Array.from({ length: 150 }, (_, index) => 1.006 ** index);
      const calls = ratios.map((ratio) => [one(ratio).call !== null, other(ratio).call !== null]);
      expect(calls.filter(([a, b]) => b === true && a === false)).toEqual([]);
      return calls.some(([a, b]) => a === true && b === false);
    };
    const noise = blocks(15, 1, 0.3, 5);
    const shifted = (ratio: number): Trio[] =>
      noise.map((trio) => ({ ...trio, arm: trio.arm + Math.log(ratio) }));
    /** The decision about a row with its only look after 15 blocks. */
    const at15 =
      (looks: readonly number[], before: readonly Row[] = [], count = 1 + before.length) =>
      (ratio: number): Decision =>
        decide({ ...rules, looks, rows: count }, [
          ...before,
          (reached) => (reached === 15 ? shifted(ratio) : undefined),
        ]).at(-1)!;

    it("over its looks, in proportion to the blocks since the previous one", () => {
      // Enough rows that the level decides, and not the guard.
      expect(isLaxer(at15([15], [], 20), at15([5, 15], [], 20))).toBe(true);
      expect(isLaxer(at15([5, 15], [], 20), at15([10, 15], [], 20))).toBe(true);
      // The first of two equally distant looks has the same level as the second.
      const first = (ratio: number) =>
        decide({ ...rules, looks: [15, 30], rows: 20 }, [upTo(shifted(ratio))], 1)[0]!;
      const second = (ratio: number) =>
        decide({ ...rules, looks: [15, 30], rows: 20 }, [
          (reached) => (reached === 30 ? shifted(ratio) : undefined),
        ])[0]!;
      expect(isLaxer(first, second) || isLaxer(second, first)).toBe(false);
      expect(isLaxer(at15([15], [], 20), first)).toBe(true);
    });

    it("on the rows that no earlier look has called higher or lower", () => {
      const nobody: Row = () => undefined;
      const late = (row: Row) => at15([10, 15], [row, row]);
      for (const ratio of [5, 0.2])
        expect(isLaxer(late(upTo(blocks(10, ratio, 0.01))), late(nobody))).toBe(true);
      const same = upTo(blocks(10, 1, 0.001));
      expect(decide({ ...rules, looks: [10, 15] }, [same], 1)[0]!.call).toBe("same");
      expect(isLaxer(late(same), late(nobody)) || isLaxer(late(nobody), late(same))).toBe(false);
    });

    it("for equality on the rows that are not yet called equal", () => {
      const quiet =
        (spread: number): Row =>
        (reached) =>
          reached === 15 ? blocks(15, 1, spread, 3) : undefined;
      const spreads = Array.from({ length: 60 }, (_, index) => 0.02 + index * 0.001);
      const called = (before: Row): number =>
        spreads.filter(
          (spread) =>
            decide({ ...rules, looks: [10, 15], rows: 5 }, [...Array<Row>(4).fill(before), quiet(spread)]).at(
              -1,
            )!.call === "same",
        ).length;
      const [alone, beside] = [called(() => undefined), called(upTo(blocks(10, 1, 0.001)))];
      expect(beside).toBeGreaterThan(alone);
      expect(called(upTo(blocks(10, 5, 0.01)))).toBe(alone);
    });
  });

  it("should find a weak row among strong ones at any position in the table", () => {
    const weak = upTo(blocks(10, 1.57, 0.3));
    const strong = upTo(blocks(10, 9, 0.05));
    const none = upTo(blocks(10, 1, 0.3, 2));
    const family = tooManyFor(weak);
    const others = Array.from({ length: family - 1 }, () => strong);
    for (const place of [0, 1, Math.floor(family / 2), family - 1]) {
      const table = others.toSpliced(place, 0, weak);
      expect(decide({ ...rules, rows: family }, table)[place]!.call).toBe("higher");
      // A row that fails does not affect those before it.
      expect(decide({ ...rules, rows: family + 1 }, [none, ...others]).map(({ call }) => call)).toEqual([
        null,
        ...others.map(() => "higher"),
      ]);
    }
  });

  it("should spend no more than 5 % on false verdicts", () => {
    expect(levels.difference + levels.same).toBeCloseTo(0.05, 12);
  });
});

describe("smallestFactor", () => {
  it("should be larger than the smallest estimate that would be called, by what an estimate may be too small", () => {
    const trios = blocks(10, 1, 0.3, 7);
    const factor = smallestFactor(trios, rules, 10)!;
    expect(factor).toBeGreaterThan(1.2);
    const centred = (ratio: number): Trio[] => {
      const [shift] = [trios.map(({ arm, baselines: [a, b] }) => arm - (a + b) / 2)].map(walshMedian);
      return trios.map((trio) => ({ ...trio, arm: trio.arm - shift! + Math.log(ratio) }));
    };
    expect(decide(rules, [upTo(centred(factor))])[0]!.call).toBe("higher");
    expect(decide(rules, [upTo(centred(1 / factor))])[0]!.call).toBe("lower");
    // A tenth of the noise of 30 % is about one standard error of the estimate, so this is more than two below.
    expect(decide(rules, [upTo(centred(factor * 0.75))])[0]!.call).toBeNull();
  });

  it("should be smaller with more blocks, and unknown with too few", () => {
    const trios = blocks(30, 1, 0.3, 7);
    const all = { ...rules, looks: [10, 30] };
    expect(smallestFactor(trios, all, 30)!).toBeLessThan(smallestFactor(trios.slice(0, 10), all, 10)!);
    expect(smallestFactor(trios.slice(0, 3), rules, 10)).toBeUndefined();
  });
});

function walshMedian(list: readonly number[]): number {
  const means = list.flatMap((a, i) => list.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
  const middle = Math.floor(means.length / 2);
  return means.length % 2 === 1 ? means[middle]! : (means[middle - 1]! + means[middle]!) / 2;
}
