/** The type of a panel, and PromQL building blocks that several sections use. */

export interface Query {
  /** PromQL. */
  readonly expr: string;
  /** Name of a line: labels of the result in double braces, as in Grafana. */
  readonly legend: string;
}

/** Groups of panels, in the order in which they are shown. */
export const sections = [
  "Overview",
  "I/O",
  "JuiceFS",
  "Redis",
  "Ray",
  "DisGraFS",
  "Extensions",
  "Benchmark",
] as const;
export type Section = (typeof sections)[number];

/** Units by Grafana's names: `ops` is operations per second, `s` seconds, `Bps` bytes per second. */
export const units = ["ops", "iops", "s", "bytes", "Bps", "percentunit", "short"] as const;

export interface Panel {
  readonly section: Section;
  readonly title: string;
  readonly unit: (typeof units)[number];
  readonly description: string;
  readonly queries: readonly Query[];
  /** What a lab needs besides `monitoring` for the panel to have data, in a few words. */
  readonly needs?: string;
  /** Draws a threshold at this value: more may be a problem. */
  readonly worry?: number;
}

/** Range of a rate. With one scrape every 5 s it holds at least three samples, also if one is missed. */
export const window = "[20s]";
/** The same, for metrics that are written to a text file every 15 s. */
export const slowly = "[1m]";
/** Selects real disks: no devices in memory, and none on top of another disk. */
export const disks = '{device!~"(ram|loop|zram|dm-).*"}';

export const rate = (metric: string, by: string, over = window): string =>
  `sum by (${by}) (rate(${metric}${over}))`;
export const one = (expr: string, legend = "{{node}}"): readonly Query[] => [{ expr, legend }];
/** The mean of a histogram over the window; no result without observations. */
export const mean = (histogram: string, by: string, over = window): string =>
  `${rate(`${histogram}_sum`, by, over)} / (${rate(`${histogram}_count`, by, over)} > 0)`;
/** A quantile of a histogram; `share` is from 0 to 1. */
export const quantile = (share: number, histogram: string, by: string, over = window): string =>
  `histogram_quantile(${share}, ${rate(`${histogram}_bucket`, `${by}, le`, over)})`;

/** The panels of one section. */
export function inSection(section: Section, panels: readonly Omit<Panel, "section">[]): readonly Panel[] {
  return panels.map((panel) => ({ section, ...panel }));
}
