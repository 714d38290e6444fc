/**
 * The order of turns in the blocks of a run: Williams designs, whose symbols the seed assigns to labels. Each block is followed
 * or preceded by its mirror image. So after every second block, all labels have the same mean position, and after a complete
 * design, each label has been in each position, and behind each other label, equally often.
 */
import { shuffled, type Random } from "./random.ts";

/** Orders of `count` blocks, each of which holds every label once. */
export function balancedOrders<T>(labels: readonly T[], count: number, random: Random): T[][] {
  const orders: T[][] = [];
  while (orders.length < count) orders.push(...williamsDesign(labels, random));
  return orders.slice(0, count);
}

/** One whole design: as many blocks as labels, or twice as many when that is odd. */
function williamsDesign<T>(labels: readonly T[], random: Random): T[][] {
  const size = labels.length;
  const symbols = shuffled(labels, random);
  // 0, 1, -1, 2, -2 ...: all differences between neighbours, once each.
  const zigzag = Array.from({ length: size }, (_, place) => (place % 2 === 1 ? (place + 1) / 2 : -place / 2));
  const starts = Array.from({ length: size % 2 === 0 ? size / 2 : size }, (_, start) => start);
  return shuffled(starts, random).flatMap((start) => {
    const row = zigzag.map((step) => symbols[(start + step + size) % size] as T);
    const mirror = row.toReversed();
    return random() < 0.5 ? [row, mirror] : [mirror, row];
  });
}
