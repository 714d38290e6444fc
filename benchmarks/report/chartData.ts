/** The data of a report's charts as plain JSON, small enough for a page and fully computed. */
import type { Analysis } from "../analyse.ts";
import { distribution, merge, quantile, type Histogram } from "../histogram.ts";
import type { RawPoint } from "../raw.ts";
import type { IostatSample } from "../parsers/iostat.ts";

/** A figure of a workload: per-block ratios to the baseline and latencies, by label of the arm's turn. */
export interface FigureChart {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly blocks: readonly number[];
  /** Labels in the order of the legend: the baseline's repeat first, then the arms. */
  readonly labels: readonly string[];
  /** Arm over baseline in each block; null where either is missing. */
  readonly ratios: Readonly<Record<string, readonly (number | null)[]>>;
  /** Centres with 95 % intervals, or the blocks' own range where there are too few for one. */
  readonly intervals: Readonly<Record<string, { centre: number; low: number; high: number }>>;
  /** Noise floor as a factor; null when unknown. */
  readonly noise: number | null;
  /** Unit of the distributions' x axis. */
  readonly latencyUnit: string;
  /** Cumulative distributions by label, including the baseline: [latency, percent]. Empty if the program records no latencies. */
  readonly latencies: Readonly<Record<string, readonly [number, number][]>>;
}

/** iostat values of a client, as [seconds since the run began, value]. A gap is a null. */
export interface IostatChart {
  readonly client: string;
  readonly device: string;
  readonly lines: Readonly<
    Record<"cpu" | "iowait" | "util" | "read" | "write", readonly [number, number | null][]>
  >;
}

export interface ChartData {
  readonly baseline: string;
  /** Id of the figure to show first: one with a difference, if there is any. */
  readonly first: string;
  readonly figures: readonly FigureChart[];
  readonly iostat: readonly IostatChart[];
  /** Timed windows, in seconds since the run began. */
  readonly windows: readonly TimedWindow[];
}

export interface TimedWindow {
  readonly from: number;
  readonly to: number;
  readonly title: string;
  /** Label of the arm's turn. */
  readonly label: string;
  readonly invalid: boolean;
}

const mostLatencyPoints = 120;
const mostSamples = 4000;

export function chartData({ run, raw }: Analysis): ChartData {
  // As for the verdicts: blocks after the last look do not count.
  const counted = raw.points.filter(({ point }) => !point.warmUp && point.block <= run.look);
  const zero = Date.parse(run.started);
  const since = (start: string): number => (Date.parse(start) - zero) / 1000;
  const telling =
    run.results.find(({ verdict }) => verdict === "better" || verdict === "worse") ?? run.results[0];
  const drawn = figures(run, raw.plan.workloads, counted);
  return {
    baseline: run.baseline,
    first: telling ? `${telling.workload}/${telling.figure}` : (drawn[0]?.id ?? ""),
    figures: drawn,
    iostat: raw.plan.clients
      .map((client) => iostatChart(client, raw.points, since))
      .filter((chart) => chart !== undefined),
    windows: windowsOf({ run, raw }),
  };
}

/** The timed window of each point, in seconds since the run began. */
export function windowsOf({ run, raw }: Analysis): TimedWindow[] {
  const zero = Date.parse(run.started);
  const since = (start: string): number => (Date.parse(start) - zero) / 1000;
  return raw.points.flatMap(({ point }) =>
    point.start === null
      ? []
      : [
          {
            from: since(point.start),
            to: since(point.start) + (point.seconds ?? 0),
            title: `${point.warmUp ? "warm-up" : `block ${point.block}`}, ${point.label}, ${point.workload}`,
            label: point.label,
            invalid: point.invalid !== null,
          },
        ],
  );
}

function figures(
  run: Analysis["run"],
  workloads: Analysis["raw"]["plan"]["workloads"],
  points: readonly RawPoint[],
): FigureChart[] {
  const blocks = [...new Set(points.map(({ point }) => point.block))].sort((a, b) => a - b);
  const arms = run.arms.map(({ name }) => name).filter((name) => name !== run.baseline);
  const labels = [run.repeat, ...arms];
  return workloads.flatMap((workload) =>
    Object.entries(workload.figures).map(([figure, facts]) => {
      const value = (block: number, label: string): number | undefined =>
        points.find(
          ({ point }) => point.block === block && point.label === label && point.workload === workload.name,
        )?.point.figures[figure];
      // As for the verdict: the arm over the geometric mean of the two baselines, and the second baseline over the first.
      const ratio = (block: number, label: string): number | null => {
        const [first, second] = [value(block, run.baseline), value(block, run.repeat)];
        const to = value(block, label);
        if (first === undefined || second === undefined || to === undefined) return null;
        return round(to / (label === run.repeat ? first : Math.sqrt(first * second)));
      };
      const histograms = Object.fromEntries(
        [run.baseline, ...labels].map((label) => [label, latenciesOf(points, workload.name, figure, label)]),
      );
      // On an emulated machine, only ratios of times are meaningful.
      const middle = run.emulated ? quantile(histograms[run.baseline] ?? new Map(), 0.5) : undefined;
      const found = run.results.filter(
        (result) => result.workload === workload.name && result.figure === figure,
      );
      return {
        id: `${workload.name}/${figure}`,
        title: `${workload.name}: ${facts.title}`,
        unit: facts.unit,
        better: facts.better,
        blocks,
        labels,
        ratios: Object.fromEntries(
          labels.map((label) => [label, blocks.map((block) => ratio(block, label))]),
        ),
        intervals: Object.fromEntries(
          found.flatMap(({ arm, ratio: entry }) => {
            if (!entry) return [];
            const { centre, low, high, least, most } = entry;
            return [[arm, { centre, low: low ?? least, high: high ?? most }]];
          }),
        ),
        noise: found.find(({ noise }) => noise !== null)?.noise ?? null,
        latencyUnit: run.emulated ? "times the baseline's median" : "microseconds",
        latencies:
          run.emulated && middle === undefined
            ? {}
            : Object.fromEntries(
                Object.entries(histograms).flatMap(([label, histogram]) =>
                  histogram.size > 0 ? [[label, thinned(histogram, middle)]] : [],
                ),
              ),
      };
    }),
  );
}

function latenciesOf(
  points: readonly RawPoint[],
  workload: string,
  figure: string,
  label: string,
): Histogram {
  const own = points.filter(({ point }) => point.workload === workload && point.label === label);
  return merge(own.flatMap(({ latencies }) => latencies[figure] ?? []));
}

/** A distribution reduced to few points, in microseconds, or in multiples of `middle` nanoseconds. */
function thinned(histogram: Histogram, middle: number | undefined): [number, number][] {
  const all = distribution(histogram);
  const every = Math.ceil(all.length / mostLatencyPoints);
  return all
    .filter((_, index) => index % every === 0 || index === all.length - 1)
    .map(([microseconds, percent]) => [
      round(middle ? (microseconds * 1000) / middle : microseconds),
      round(percent),
    ]);
}

function iostatChart(
  client: string,
  points: readonly RawPoint[],
  since: (start: string) => number,
): IostatChart | undefined {
  const timed: { time: number; sample: IostatSample | null }[] = points.flatMap(({ point, iostat }) => {
    const { start } = point;
    const samples = iostat[client]?.samples ?? [];
    if (start === null || samples.length === 0) return [];
    // A sample covers the second before it; the line breaks after each window.
    const at = since(start);
    const own = samples.map((sample, index) => ({ time: at + index + 1, sample }));
    return [...own, { time: at + samples.length + 1, sample: null }];
  });
  const every = Math.ceil(timed.length / mostSamples);
  const kept = timed.filter(({ sample }, index) => sample === null || index % every === 0);
  const device = busiest(kept.flatMap(({ sample }) => (sample ? [sample] : [])));
  if (device === undefined) return undefined;
  const line = (value: (sample: IostatSample) => number | undefined): [number, number | null][] =>
    kept.map(({ time, sample }) => [round(time), sample ? (value(sample) ?? null) : null]);
  const of = (sample: IostatSample, key: string): number | undefined => sample.devices[device]?.[key];
  const megabytes = (kilobytes: number | undefined): number | undefined =>
    kilobytes === undefined ? undefined : round((kilobytes * 1024) / 1e6);
  return {
    client,
    device,
    lines: {
      cpu: line(({ cpu }) => (cpu["idle"] === undefined ? undefined : round(100 - cpu["idle"]))),
      iowait: line(({ cpu }) => cpu["iowait"]),
      util: line((sample) => of(sample, "util")),
      read: line((sample) => megabytes(of(sample, "rkB/s"))),
      write: line((sample) => megabytes(of(sample, "wkB/s"))),
    },
  };
}

/** The device with the highest utilisation in total. */
function busiest(samples: readonly IostatSample[]): string | undefined {
  const busy = new Map<string, number>();
  for (const { devices } of samples)
    for (const [name, keys] of Object.entries(devices))
      busy.set(name, (busy.get(name) ?? 0) + (keys["util"] ?? 0));
  return [...busy].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
