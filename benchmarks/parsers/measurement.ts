/** The result of every parser: a figure of one client in one timed window. */
import type { Histogram } from "../histogram.ts";

export interface Measurement {
  /** In the unit of the workload table. */
  readonly value: number;
  /** Number of operations (or files): the weight when figures of clients are averaged. */
  readonly operations: number;
  /** Latencies, if the program records them. */
  readonly latencies?: Histogram;
  /** Operations that need attributes or a name, and FUSE requests for them; the difference is the number of hits. */
  readonly asked?: number | undefined;
  readonly missed?: number | undefined;
  /** Why it was too little for a figure, which depends on how fast it was. */
  readonly tooLittle?: string | undefined;
}

export type Measurements = Readonly<Record<string, Measurement>>;

/**
 * Minimum number of operations, of all clients, for a rate: with fewer, one operation would change it by a tenth or more. The
 * runner's loops continue until they reach it (FEWEST_OPERATIONS in runner/disgrafs_benchmark/agent.py).
 */
export const fewestOperations = 10;

/** Minimum length, in milliseconds, of work that ends when all data is read: a shorter one is mostly its start and its end. */
export const shortestPass = 50;

/** Why these are too few operations for a figure; undefined if they are enough. */
export function tooFew(name: string, operations: number): string | undefined {
  return operations < fewestOperations
    ? `${name}: ${operations} ${operations === 1 ? "operation" : "operations"}, fewer than ${fewestOperations}: too little for a figure`
    : undefined;
}
