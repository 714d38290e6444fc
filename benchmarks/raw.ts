/** Reads the raw files of a run, as the runner left them, into points with figures or the reason why there are none. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { merge, type Histogram } from "./histogram.ts";
import { parseFio } from "./parsers/fio.ts";
import { parseIostat, type Iostat } from "./parsers/iostat.ts";
import { InvalidOutput } from "./parsers/json.ts";
import { parseJuicefsBench } from "./parsers/juicefsBench.ts";
import { parseLoops, parseRay } from "./parsers/loops.ts";
import type { Measurement, Measurements } from "./parsers/measurement.ts";
import { planSchema, type Plan } from "./plan.ts";
import {
  machineSchema,
  programSchema,
  servicesSchema,
  usageSchema,
  type Machine,
  type Point,
  type Program,
} from "./run.ts";

/** Raw files that are missing or not those of a run: the message says which and what to do. */
export class UnreadableRun extends Error {}

/** A point with what the charts need besides. */
export interface RawPoint {
  readonly point: Point;
  /** Latencies of all clients by figure, where the program tells them. */
  readonly latencies: Readonly<Record<string, Histogram>>;
  readonly iostat: Readonly<Record<string, Iostat>>;
  /** BPF programs that the arm's script found in the kernel, of all clients. */
  readonly programs: readonly Program[];
}

export interface RawRun {
  readonly plan: Plan;
  readonly machines: readonly Machine[];
  readonly started: string;
  readonly end: z.infer<typeof endSchema> | undefined;
  readonly lab: z.infer<typeof labSchema>;
  readonly points: readonly RawPoint[];
}

const counters = z.object({
  cpuTicks: z.number(),
  stealTicks: z.number().nullable(),
  pressure: z.record(z.string(), z.number().nullable()),
});
const proof = z.object({
  script: z.object({ count: z.int().nullable(), programs: z.array(programSchema).default([]) }).optional(),
});
const clientSchema = z.object({
  late: z.number().optional(),
  seconds: z.number().optional(),
  invalid: z.string().optional(),
  counters: z.object({ before: counters, after: counters }).optional(),
  proof: z.object({ before: proof, after: proof }).optional(),
});
type Client = z.infer<typeof clientSchema>;
const pointFileSchema = z.object({
  version: z.literal(1),
  block: z.int(),
  slot: z.int(),
  label: z.string(),
  arm: z.string(),
  workload: z.string(),
  windowStart: z.string().nullable(),
  invalid: z.string().nullable(),
  clients: z.record(z.string(), clientSchema),
});
const factsSchema = z.object({ started: z.string(), clients: z.record(z.string(), z.looseObject({})) });
const endSchema = z.object({ ended: z.string(), lost: z.string().nullable(), seconds: z.number() });
/** Written beside the raw files when they are fetched. */
export const labSchema = z.object({
  stack: z.string().nullable(),
  commit: z.string().nullable(),
  dirty: z.boolean().nullable(),
  services: servicesSchema,
  usage: usageSchema,
});

/** Read the raw files of a run. UnreadableRun when the folder is not one, or was written by another version. */
export function readRaw(folder: string): RawRun {
  const plan = read(folder, "plan.json", planSchema);
  const facts = read(folder, "facts.json", factsSchema);
  const points = join(folder, "points");
  const names = existsSync(points) ? readdirSync(points).filter((name) => !name.endsWith(".new")) : [];
  return {
    plan,
    machines: Object.entries(facts.clients).map(([name, entry]) => machineSchema.parse({ name, ...entry })),
    started: facts.started,
    end: existsSync(join(folder, "end.json")) ? read(folder, "end.json", endSchema) : undefined,
    lab: existsSync(join(folder, "lab.json"))
      ? read(folder, "lab.json", labSchema)
      : { stack: null, commit: null, dirty: null, services: {}, usage: null },
    points: names.sort().map((name) => readPoint(join(points, name), plan)),
  };
}

function read<T>(folder: string, name: string, schema: z.ZodType<T>): T {
  const file = join(folder, name);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UnreadableRun(`${file}: ${(error as Error).message}; a run's folder holds raw/plan.json`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UnreadableRun(
    `${file} was not written by this version of disgrafs-lab; check out the commit in its run.json to read it\n` +
      z.prettifyError(result.error),
  );
}

function readPoint(folder: string, plan: Plan): RawPoint {
  const record = read(folder, "point.json", pointFileSchema);
  const clients = Object.entries(record.clients);
  const iostat: Record<string, Iostat> = {};
  const iostatGaps: Record<string, string> = {};
  for (const [name, client] of clients) {
    // A client that did not come to the end of its window has nothing to give; the point says why.
    if (!client.counters) continue;
    const { lines, gap } = readIostat(join(folder, `${name}.iostat.json`));
    if (lines) iostat[name] = lines;
    if (gap !== undefined) iostatGaps[name] = gap;
  }
  const measured = record.invalid ?? unfit(plan, clients) ?? figuresOf(folder, record.workload, plan);
  const invalid = typeof measured === "string" ? measured : null;
  const figures: Record<string, number> = {};
  const latencies: Record<string, Histogram> = {};
  for (const [name, { value, latencies: histogram }] of Object.entries(
    invalid === null ? (measured as Measurements) : {},
  )) {
    figures[name] = value;
    if (histogram) latencies[name] = histogram;
  }
  const seconds = clients.map(([, client]) => client.seconds).filter((value) => value !== undefined);
  const point: Point = {
    block: record.block,
    warmUp: plan.blocks.find(({ index }) => index === record.block)?.warmUp ?? false,
    slot: record.slot,
    label: record.label,
    arm: record.arm,
    workload: record.workload,
    start: record.windowStart,
    seconds: seconds.length > 0 ? Math.max(...seconds) : null,
    invalid,
    figures,
    stealPercent: largest(clients.map(([, client]) => stealPercent(client))),
    pressurePercent: pressures(clients.map(([, client]) => client)),
    iostatGaps,
    armCount: armCount(clients.map(([, client]) => client)),
  };
  const programs = clients.flatMap(([, client]) => client.proof?.after.script?.programs ?? []);
  return { point, latencies, iostat, programs };
}

/** Why a point cannot count although its programs ran; undefined when it can. */
function unfit(plan: Plan, clients: readonly (readonly [string, Client])[]): string | undefined {
  for (const name of plan.clients)
    if (!clients.some(([client]) => client === name)) return `no answer from ${name}`;
  // Where all begin late, they still run together.
  const first = Math.min(...clients.map(([, { late = 0 }]) => late));
  for (const [name, client] of clients) {
    const steal = stealPercent(client);
    if (steal !== undefined && steal > plan.limits.stealPercent)
      return `CPU steal ${steal.toFixed(1)} % on ${name}, more than ${plan.limits.stealPercent} %`;
    const { late = 0, seconds = 0 } = client;
    if (late - first > seconds * plan.limits.lateShare)
      return `${name} began ${(late - first).toFixed(1)} s after the first: the clients did not run together`;
  }
  return undefined;
}

/** Figures of all clients together, or the reason why there are none. */
function figuresOf(folder: string, workloadName: string, plan: Plan): Measurements | string {
  const workload = plan.workloads.find(({ name }) => name === workloadName);
  if (!workload) return `the plan has no workload ${workloadName}`;
  const units = Object.fromEntries(Object.entries(workload.figures).map(([name, { unit }]) => [name, unit]));
  const parse = {
    fio: {
      file: "fio.json",
      parser: (text: string) => parseFio(text, Object.values(units).includes("MB/s")),
    },
    metadata: { file: "loops.json", parser: (text: string) => parseLoops(text, units) },
    walk: { file: "loops.json", parser: (text: string) => parseLoops(text, units) },
    application: { file: "loops.json", parser: (text: string) => parseLoops(text, units) },
    redis: { file: "loops.json", parser: (text: string) => parseLoops(text, units) },
    "juicefs-bench": { file: "juicefs-bench.txt", parser: parseJuicefsBench },
    "ray-read": { file: "ray.json", parser: parseRay },
  }[workload.kind];
  if (!parse) return `no parser for workloads of the kind ${workload.kind}`;
  // The Ray workload has one file for all clients: its tasks are counted together.
  const files =
    workload.kind === "ray-read" ? [parse.file] : plan.clients.map((name) => `${name}.${parse.file}`);
  try {
    const all = files.map((name) => parse.parser(readText(join(folder, name))));
    const combined = Object.entries(workload.figures).map(([figure, facts]) => {
      const parts = all.map((measurements, index) => {
        const found = measurements[figure];
        if (!found) throw new InvalidOutput(`no figure ${figure} in ${files[index] ?? "?"}`);
        return found;
      });
      return [figure, combine(parts, facts.combine)] as const;
    });
    return Object.fromEntries(combined);
  } catch (error) {
    if (error instanceof InvalidOutput) return error.message;
    throw error;
  }
}

/** One measurement of those of several clients: rates add up, times are averaged by their operations. */
export function combine(parts: readonly Measurement[], how: "sum" | "mean"): Measurement {
  const operations = parts.reduce((sum, part) => sum + part.operations, 0);
  const value =
    how === "sum"
      ? parts.reduce((sum, part) => sum + part.value, 0)
      : parts.reduce((sum, part) => sum + part.value * part.operations, 0) / operations;
  const histograms = parts.map((part) => part.latencies).filter((entry) => entry !== undefined);
  return {
    value,
    operations,
    ...(histograms.length === parts.length ? { latencies: merge(histograms) } : {}),
  };
}

function readText(file: string): string {
  if (!existsSync(file)) throw new InvalidOutput(`${file.split("/").at(-1) ?? file} is missing`);
  return readFileSync(file, "utf8");
}

/** iostat's samples, and why there are none or fewer than there should be. Figures do not depend on them. */
function readIostat(file: string): { lines?: Iostat; gap?: string } {
  try {
    const lines = parseIostat(readText(file));
    const count = lines.samples.length;
    if (lines.mended) return { lines, gap: `iostat: cut off, ${count} whole samples kept` };
    return count > 0
      ? { lines }
      : { lines, gap: "no sample: the window ended before iostat had more than its average since boot" };
  } catch (error) {
    if (error instanceof InvalidOutput) return { gap: error.message };
    throw error;
  }
}

function stealPercent({ counters: pair }: Client): number | undefined {
  if (!pair || pair.before.stealTicks === null || pair.after.stealTicks === null) return undefined;
  const all = pair.after.cpuTicks - pair.before.cpuTicks;
  return all > 0 ? (100 * (pair.after.stealTicks - pair.before.stealTicks)) / all : undefined;
}

function pressures(clients: readonly Client[]): Record<string, number> {
  const names = new Set(clients.flatMap(({ counters: pair }) => Object.keys(pair?.before.pressure ?? {})));
  const entries = [...names].map((name) => [
    name,
    largest(
      clients.map(({ counters: pair, seconds }) => {
        const before = pair?.before.pressure[name];
        const after = pair?.after.pressure[name];
        return typeof before === "number" && typeof after === "number" && seconds
          ? (after - before) / 1e4 / seconds
          : undefined;
      }),
    ),
  ]);
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => entry[1] !== null));
}

function armCount(clients: readonly Client[]): number | null {
  const counts = clients.map(({ proof: pair }) => {
    const [before, after] = [pair?.before.script?.count ?? null, pair?.after.script?.count ?? null];
    return before !== null && after !== null ? after - before : undefined;
  });
  const known = counts.filter((count) => count !== undefined);
  return known.length > 0 ? known.reduce((sum, count) => sum + count, 0) : null;
}

function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.max(...known) : null;
}
