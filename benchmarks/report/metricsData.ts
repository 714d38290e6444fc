/** The data of the report's metric charts: the panels, in seconds since the run began, with the run's windows and arms. */
import type { Watched } from "../metrics.ts";
import { windowsOf } from "./chartData.ts";

export interface MetricsData {
  readonly run: string;
  /** Seconds from the start of the run to the first value, and between two values. */
  readonly from: number;
  readonly step: number;
  /** Labels of arms, in the order of their colours. */
  readonly labels: readonly string[];
  readonly windows: ReturnType<typeof windowsOf>;
  readonly panels: readonly {
    readonly section: string;
    readonly title: string;
    readonly unit: string;
    readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  }[];
}

/** Undefined for a run without monitoring. */
export function metricsData({ run, raw, metrics }: Watched): MetricsData | undefined {
  if (!metrics) return undefined;
  const { start, step, panels } = metrics;
  const others = run.arms.map(({ name }) => name).filter((name) => name !== run.baseline);
  return {
    run: run.runId,
    from: start - Date.parse(run.started) / 1000,
    step,
    labels: [run.baseline, run.repeat, ...others],
    windows: windowsOf({ run, raw }),
    panels,
  };
}
