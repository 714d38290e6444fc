/** What a panel is, and words of PromQL that more than one section uses. */

export interface Query {
  /** PromQL. */
  readonly expr: string;
  /** Labels of the result in double braces, as Grafana fills them in. */
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
  /** What a lab has to have besides `monitoring`, or the panel is empty: a few words for people. */
  readonly needs?: string;
  /** A line at this value: more than that is worth a look. */
  readonly worry?: number;
}

/** How long a rate looks back. Three looks at least, at one each 5 s, or there is no rate. */
export const window = "[20s]";
/** The same, for what is written to a text file every 15 s. */
export const slowly = "[1m]";
/** A device whose figures matter: neither memory nor what lies on another disk. */
export const disks = '{device!~"(ram|loop|zram|dm-).*"}';

export const rate = (metric: string, by: string, over = window): string =>
  `sum by (${by}) (rate(${metric}${over}))`;
export const one = (expr: string, legend = "{{node}}"): readonly Query[] => [{ expr, legend }];
/** The mean of a histogram over the window; nothing where nothing was counted. */
export const mean = (histogram: string, by: string, over = window): string =>
  `${rate(`${histogram}_sum`, by, over)} / (${rate(`${histogram}_count`, by, over)} > 0)`;
/** A value that so much of a histogram's observations stay below. */
export const quantile = (share: number, histogram: string, by: string, over = window): string =>
  `histogram_quantile(${share}, ${rate(`${histogram}_bucket`, `${by}, le`, over)})`;

/** The panels of one section. */
export function inSection(section: Section, panels: readonly Omit<Panel, "section">[]): readonly Panel[] {
  return panels.map((panel) => ({ section, ...panel }));
}
