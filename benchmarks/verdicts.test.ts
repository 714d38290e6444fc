import { normal, seeded } from "./random.ts";
import type { Trio } from "./statistics.ts";
import { decide, fewestBlocks, levels, smallestFactor, type Rules } from "./verdicts.ts";

const rules: Rules = { looks: [10], rows: 29, marginFactor: 1.05 };

/** Blocks whose points have `noise`, and an arm that is `ratio` times the baseline. */
function blocks(count: number, ratio: number, noise: number, seed = 1): Trio[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    arm: Math.log(ratio) + noise * normal(random),
    baselines: [noise * normal(random), noise * normal(random)],
  }));
}
const upTo = (trios: readonly Trio[]) => (count: number) => trios.slice(0, count);

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

  it("should call a difference none that is proven to be too small to matter", () => {
    const rows = [upTo(blocks(10, 1.01, 0.001))];
    expect(decide(rules, rows)).toEqual([{ call: "same", look: 10 }]);
    expect(decide({ ...rules, marginFactor: 1.005 }, rows)).toEqual([{ call: "higher", look: 10 }]);
  });

  it("should ask more of each row the more rows there are", () => {
    const rows = [upTo(blocks(10, 1.57, 0.3))];
    expect(decide({ ...rules, rows: 1 }, rows)[0]!.call).toBe("higher");
    expect(decide({ ...rules, rows: 10_000 }, rows)[0]!.call).toBeNull();
  });

  it("should let a row pass that could not have been the first, when others have passed before it (Holm)", () => {
    const weak = blocks(10, 1.57, 0.3);
    const alone = (count: number) => decide({ ...rules, rows: count }, [upTo(weak)])[0]!.call;
    const family = Array.from({ length: 2000 }, (_, index) => index + 1).find(
      (count) => alone(count) === null,
    )!;
    const strong = Array.from({ length: family - 1 }, () => upTo(blocks(10, 9, 0.05)));
    const decisions = decide({ ...rules, rows: family }, [upTo(weak), ...strong]);
    expect(decisions[0]!.call).toBe("higher");
  });

  it("should decide at the first look that can, and keep to it", () => {
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

  it("should not call an arm that flips between better and worse, however often", () => {
    const noisy = Array.from({ length: 30 }, (_, index) => ({
      arm: index % 2 === 0 ? 2 : -2,
      baselines: [0.001 * index, -0.001 * index] as [number, number],
    }));
    expect(decide({ ...rules, looks: [30] }, [upTo(noisy)])[0]!.call).toBeNull();
  });

  it("should have nothing to say of a row without blocks, or with too few for any verdict", () => {
    const clear = blocks(10, 5, 0.01);
    expect(decide(rules, [() => undefined])[0]!.call).toBeNull();
    expect(decide({ ...rules, rows: 1 }, [() => clear.slice(0, fewestBlocks - 1)])[0]!.call).toBeNull();
    expect(decide({ ...rules, rows: 1 }, [() => clear.slice(0, fewestBlocks)])[0]!.call).toBe("higher");
  });

  it("should spend no more than 5 % on false verdicts", () => {
    expect(levels.difference + levels.same).toBeCloseTo(0.05, 12);
  });
});

describe("smallestFactor", () => {
  it("should be what the run calls, and a little less what it does not", () => {
    const trios = blocks(10, 1, 0.3, 7);
    const factor = smallestFactor(trios, rules, 10)!;
    expect(factor).toBeGreaterThan(1.2);
    const centred = (ratio: number): Trio[] => {
      const [shift] = [trios.map(({ arm, baselines: [a, b] }) => arm - (a + b) / 2)].map(walshMedian);
      return trios.map((trio) => ({ ...trio, arm: trio.arm - shift! + Math.log(ratio) }));
    };
    expect(decide(rules, [upTo(centred(factor * 1.01))])[0]!.call).toBe("higher");
    expect(decide(rules, [upTo(centred(1.01 / (factor * 1.02)))])[0]!.call).toBe("lower");
    const calls = [centred(factor * 0.98), centred(1 / (factor * 0.98))].map(
      (row) => decide(rules, [upTo(row)])[0]!.call,
    );
    expect(calls).toContain(null);
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
