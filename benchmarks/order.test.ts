import fc from "fast-check";
import { balancedOrders } from "./order.ts";
import { seeded } from "./random.ts";

const labels = (count: number): string[] => Array.from({ length: count }, (_, index) => `label ${index}`);
const size = fc.integer({ min: 2, max: 12 });

function counts(keys: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}

describe("balancedOrders", () => {
  it("should give all labels the same mean position after every second block, so that a drift cancels", () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.integer({ min: 1, max: 15 }), (count, seed, pairs) => {
        const orders = balancedOrders(labels(count), 2 * pairs, seeded(seed));
        for (const label of labels(count)) {
          const sum = orders.reduce((total, order) => total + order.indexOf(label), 0);
          expect(sum).toBe(pairs * (count - 1));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("should, in a complete design, put each label equally often in each position and after each other label", () => {
    fc.assert(
      fc.property(size, fc.nat(), (count, seed) => {
        const whole = count % 2 === 0 ? count : 2 * count;
        const orders = balancedOrders(labels(count), whole, seeded(seed));
        const positions = counts(orders.flatMap((order) => order.map((label, place) => `${label} ${place}`)));
        expect(positions.size).toBe(count * count);
        expect(new Set(positions.values())).toEqual(new Set([whole / count]));
        const follows = counts(
          orders.flatMap((order) => order.slice(1).map((label, place) => `${order[place]} ${label}`)),
        );
        expect(follows.size).toBe(count * (count - 1));
        expect(new Set(follows.values()).size).toBe(1);
      }),
      { numRuns: 50 },
    );
  });

  it("should have each label once in each block, in an order that depends on the seed", () => {
    const orders = balancedOrders(labels(5), 13, seeded(1));
    expect(orders).toHaveLength(13);
    for (const order of orders) expect([...order].sort()).toEqual(labels(5));
    expect(balancedOrders(labels(5), 13, seeded(1))).toEqual(orders);
    expect(balancedOrders(labels(5), 13, seeded(2))).not.toEqual(orders);
  });
});
