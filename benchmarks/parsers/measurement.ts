/** What every parser gives: a figure of one client in one timed window. */
import type { Histogram } from "../histogram.ts";

export interface Measurement {
  /** In the unit of the workload table. */
  readonly value: number;
  /** Operations (or files) behind it: its weight where figures of clients are averaged. */
  readonly operations: number;
  /** Latencies, where the program tells them. */
  readonly latencies?: Histogram;
}

export type Measurements = Readonly<Record<string, Measurement>>;
