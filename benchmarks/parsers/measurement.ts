/** The result of every parser: a figure of one client in one timed window. */
import type { Histogram } from "../histogram.ts";
import { InvalidOutput } from "./json.ts";

export interface Measurement {
  /** In the unit of the workload table. */
  readonly value: number;
  /** Operations (or files) behind it: its weight where figures of clients are averaged. */
  readonly operations: number;
  /** Latencies, where the program tells them. */
  readonly latencies?: Histogram;
  /** Operations that ask for attributes or a name, and FUSE requests for either: the rest were hits. */
  readonly asked?: number | undefined;
  readonly missed?: number | undefined;
}

export type Measurements = Readonly<Record<string, Measurement>>;

/**
 * Fewer operations than this, of all clients, are no rate: one more or less would change it by a tenth and more. The
 * runner's loops go on until they have as many (FEWEST_OPERATIONS in runner/disgrafs_benchmark/agent.py).
 */
export const fewestOperations = 10;

/** Refuse a figure that so little work is behind that it says nothing. */
export function enough(name: string, operations: number): void {
  if (operations < fewestOperations)
    throw new InvalidOutput(
      `${name}: ${operations} ${operations === 1 ? "operation" : "operations"}, fewer than ${fewestOperations}: too little for a figure`,
    );
}
