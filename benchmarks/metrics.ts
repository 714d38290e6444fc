/**
 * Exports the metrics of a run from Prometheus: each panel of the lab's table, for all nodes, to `metrics.json` next to the raw
 * files, so that the report can draw them after the lab was removed. Verdicts do not depend on them.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { panels, type Panel } from "../provisioning/monitoring/panels.ts";
import { scrapeSeconds } from "../provisioning/monitoring/config.ts";
import type { Analysis } from "./analyse.ts";
import { seriesName } from "../provisioning/monitoring/seriesName.ts";

export const metricsFile = "metrics.json";
const version = 1;

const lineSchema = z.object({
  name: z.string(),
  /** One value per step; null if Prometheus has none. */
  values: z.array(z.number().nullable()),
});
export const metricsSchema = z.object({
  version: z.literal(version),
  /** Seconds since 1970 of the first value, and between two. */
  start: z.number(),
  step: z.number().positive(),
  panels: z.array(
    z.object({ section: z.string(), title: z.string(), unit: z.string(), lines: z.array(lineSchema) }),
  ),
});
export type Metrics = z.infer<typeof metricsSchema>;

/** An analysis with the metrics during the run, for the report's charts. */
export type Watched = Analysis & { readonly metrics?: Metrics | undefined };

/** The metrics in a run's folder; undefined if there are none, or if another version wrote them. */
export function readMetrics(folder: string): Metrics | undefined {
  const file = join(folder, metricsFile);
  if (!existsSync(file)) return undefined;
  return metricsSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
}

export interface Window {
  /** Seconds since 1970. */
  readonly start: number;
  readonly end: number;
}

/** Maximum number of values per line, about as many as a chart has pixels. */
const mostValues = 600;

/** Seconds between two values in a window of a given length. */
export function stepOf({ start, end }: Window): number {
  return Math.max(scrapeSeconds, Math.ceil((end - start) / mostValues));
}

/**
 * A bash script for a node that can reach Prometheus: runs each query of the table over the window, all with one curl, and
 * prints one line of JSON per query, which is empty if there was no answer.
 */
export function metricsScript(prometheus: string, window: Window): string {
  const asked = queriesOf(panels).map(({ expr }) => {
    const query = { query: expr, start: window.start, end: window.end, step: stepOf(window) };
    // A JSON string is also a valid string in curl's configuration.
    const data = Object.entries(query).map(([name, value]) => JSON.stringify(`${name}=${value}`));
    return [
      `url = ${JSON.stringify(`${prometheus}/api/v1/query_range`)}`,
      ...data.map((text) => `data-urlencode = ${text}`),
      ...["silent", "fail", "max-time = 60", String.raw`write-out = "\n"`],
    ].join("\n");
  });
  return `curl --config - <<'END' || true\n${asked.join("\nnext\n")}\nEND\n`;
}

interface Asked {
  readonly panel: Panel;
  readonly expr: string;
  readonly legend: string;
}
const queriesOf = (all: readonly Panel[]): Asked[] =>
  all.flatMap((panel) => panel.queries.map((query) => ({ panel, ...query })));

const answerSchema = z
  .object({
    data: z.object({
      result: z.array(
        z.object({
          metric: z.record(z.string(), z.string()),
          values: z.array(z.tuple([z.number(), z.string()])),
        }),
      ),
    }),
  })
  .nullable();

/** Parses the script's output. Panels without a line are left out. */
export function metricsOf(printed: string, window: Window): Metrics {
  const step = stepOf(window);
  const count = Math.floor((window.end - window.start) / step) + 1;
  const answers = printed.split("\n").slice(0, -1);
  const asked = queriesOf(panels);
  if (answers.length !== asked.length)
    throw new Error(`Prometheus got ${asked.length} queries and gave ${answers.length} answers`);
  const lines = asked.flatMap(({ panel, legend }, index) =>
    (answerSchema.parse(JSON.parse(answers[index] || "null"))?.data.result ?? []).map(
      ({ metric, values }) => {
        const line: (number | null)[] = Array.from({ length: count }, () => null);
        for (const [time, text] of values) {
          const value = Number(text);
          // NaN and infinities do not count as values, and JSON cannot represent them.
          if (Number.isFinite(value))
            line[Math.round((time - window.start) / step)] = Number(value.toPrecision(5));
        }
        return { panel, name: seriesName(legend, metric), values: line };
      },
    ),
  );
  return {
    version,
    start: window.start,
    step,
    panels: panels.flatMap((panel) => {
      const own = lines.filter((line) => line.panel === panel);
      const { section, title, unit } = panel;
      return own.length === 0
        ? []
        : [{ section, title, unit, lines: own.map(({ name, values }) => ({ name, values })) }];
    }),
  };
}
