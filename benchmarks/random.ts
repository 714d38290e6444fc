/** Seeded random numbers, so that a plan and an interval can be reproduced from run.json. */

// Looked up once: access to a global is slow in the tests' sandboxes.
const { imul } = Math;

export type Random = () => number;

/**
 * Numbers in [0, 1) from a 32-bit seed: the generator "mulberry32" (Tommy Ettinger, public domain), whose period of 2^32
 * is ample for shuffles and resampling. Not for secrets.
 */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A copy in random order (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}

/** A standard normal number (Box-Muller), for simulations. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
