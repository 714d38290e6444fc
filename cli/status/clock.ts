/** How far a node's clock is off. */

/**
 * Seconds by which a clock may be off; beyond this, the times of nodes cannot be compared. The clock of an emulated machine
 * drifts a little, and nothing but an `up` corrects it.
 */
export const clockTolerance = 5;

/** A correct clock shows a time between the question and the answer. All in seconds. */
export function clockOff(clock: number, before: number, after: number): number {
  if (clock < before) return clock - before;
  return clock > after ? clock - after : 0;
}
