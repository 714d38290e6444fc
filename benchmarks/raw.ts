/** Reads the raw files of a run. Each point gets figures, or the reason why it has none. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hostSchema } from "./host.ts";
import { merge, type Histogram } from "./histogram.ts";
import { parseFio } from "./parsers/fio.ts";
import { parseIostat, type Iostat } from "./parsers/iostat.ts";
import { InvalidOutput } from "./parsers/json.ts";
import { parseJuicefsBench } from "./parsers/juicefsBench.ts";
import { parseLoops, parseRay } from "./parsers/loops.ts";
import { parseTagging } from "./parsers/tagging.ts";
import { tooFew, type Measurement, type Measurements } from "./parsers/measurement.ts";
import { planSchema, type Plan } from "./plan.ts";
import {
  contradictions,
  countOf,
  largest,
  misplaced,
  neighbourFacts,
  readsOf,
  recordSchema,
  requestsOf,
  stealPercent,
  unfit,
  type Client,
  type PointRecord,
} from "./record.ts";
import { machineSchema, servicesSchema, usageSchema, type Machine, type Point, type Program } from "./run.ts";
import { onePass } from "./workloads.ts";

/** Raw files are missing or are not those of a run. The message names the file and says what to do. */
export class UnreadableRun extends Error {}

/** A point and the additional data that the charts need. */
export interface RawPoint {
  readonly point: Point;
  /** Latencies of all clients by figure, if the program records them. */
  readonly latencies: Readonly<Record<string, Histogram>>;
  readonly iostat: Readonly<Record<string, Iostat>>;
  /** BPF programs that the arm's script found in the kernel, of all clients. */
  readonly programs: readonly Program[];
}

export interface RawRun {
  readonly plan: Plan;
  readonly machines: readonly Machine[];
  /** The clients in earlier boots, if the run continued after a reboot. */
  readonly earlierBoots: readonly Machine[];
  readonly started: string;
  /** Unfinished blocks that the run discarded; null if it did not count them. */
  readonly discarded: number | null;
  readonly end: z.infer<typeof endSchema> | undefined;
  readonly lab: z.infer<typeof labSchema>;
  readonly points: readonly RawPoint[];
}

const clientsSchema = z.record(z.string(), z.looseObject({}));
const factsSchema = z.object({
  started: z.string(),
  clients: clientsSchema,
  /** Each start of the run; the clients may have rebooted in between. Older runs did not count what they discarded. */
  starts: z
    .array(z.object({ clients: clientsSchema, discarded: z.int().nullable().default(null) }))
    .default([]),
});
const endSchema = z.object({ ended: z.string(), lost: z.string().nullable(), seconds: z.number() });
/** Facts that are stored next to the raw files when they are fetched. */
export const labSchema = z.object({
  stack: z.string().nullable(),
  commit: z.string().nullable(),
  dirty: z.boolean().nullable(),
  services: servicesSchema,
  usage: usageSchema,
  host: hostSchema.nullable().default(null),
});

export type LabFacts = z.infer<typeof labSchema>;

/**
 * Reads the raw files of a run.
 * @throws UnreadableRun if the folder is not that of a run, or was written by another version
 */
export function readRaw(folder: string): RawRun {
  const plan = read(folder, "plan.json", planSchema);
  const facts = read(folder, "facts.json", factsSchema);
  const machines = machinesOf(facts.clients);
  const boots = new Map(
    [...facts.starts.flatMap(({ clients }) => machinesOf(clients)), ...machines].map((machine) => [
      `${machine.name} ${machine.bootId}`,
      machine,
    ]),
  );
  for (const { name, bootId } of machines) boots.delete(`${name} ${bootId}`);
  const points = join(folder, "points");
  const names = existsSync(points) ? readdirSync(points).filter((name) => !name.endsWith(".new")) : [];
  const records = names.sort().map((name) => ({
    folder: join(points, name),
    record: read(join(points, name), "point.json", recordSchema),
  }));
  const contradicted = contradictions(
    records.map(({ record }) => record),
    plan,
  );
  return {
    plan,
    machines,
    earlierBoots: [...boots.values()],
    started: facts.started,
    discarded: added(facts.starts.map(({ discarded }) => discarded ?? undefined)),
    end: existsSync(join(folder, "end.json")) ? read(folder, "end.json", endSchema) : undefined,
    lab: existsSync(join(folder, "lab.json"))
      ? read(folder, "lab.json", labSchema)
      : { stack: null, commit: null, dirty: null, services: {}, usage: null, host: null },
    points: records.map((entry, index) =>
      readPoint(entry.folder, entry.record, {
        plan,
        machines: [...machines, ...boots.values()],
        contradicted: contradicted[index],
      }),
    ),
  };
}

function machinesOf(clients: z.infer<typeof clientsSchema>): Machine[] {
  return Object.entries(clients).map(([name, entry]) => machineSchema.parse({ name, ...entry }));
}

function read<T>(folder: string, name: string, schema: z.ZodType<T>): T {
  const file = join(folder, name);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UnreadableRun(`${file}: ${(error as Error).message}; a run's folder contains raw/plan.json`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UnreadableRun(
    `${file} was not written by this version of disgrafs-lab; check out the commit in its run.json to read it\n` +
      z.prettifyError(result.error),
  );
}

interface Around {
  readonly plan: Plan;
  /** The clients in each boot of the run, the last boot first. */
  readonly machines: readonly Machine[];
  /** Why the record contradicts the others; undefined if it does not. */
  readonly contradicted: string | undefined;
}

function readPoint(folder: string, record: PointRecord, { plan, machines, contradicted }: Around): RawPoint {
  const clients = Object.entries(record.clients);
  const iostat: Record<string, Iostat> = {};
  const iostatGaps: Record<string, string> = {};
  for (const [name, client] of clients) {
    // A client that did not reach the end of its window has no iostat samples; the record says why.
    if (!client.counters) continue;
    const { lines, gap } = readIostat(join(folder, `${name}.iostat.json`));
    if (lines) iostat[name] = lines;
    if (gap !== undefined) iostatGaps[name] = gap;
  }
  const measured =
    misplaced(record, plan) ??
    contradicted ??
    record.invalid ??
    unfit(record, plan, machines) ??
    figuresOf(folder, record, plan);
  const invalid = typeof measured === "string" ? measured : null;
  const figures: Record<string, number> = {};
  const tooLittle: Record<string, string> = {};
  const latencies: Record<string, Histogram> = {};
  const hitShares: Record<string, number> = {};
  for (const [name, { value, latencies: histogram, asked, missed, tooLittle: why }] of Object.entries(
    invalid === null ? (measured as Measurements) : {},
  )) {
    if (why !== undefined) {
      tooLittle[name] = why;
      continue;
    }
    figures[name] = value;
    if (histogram) latencies[name] = histogram;
    if (asked && missed !== undefined) hitShares[name] = Math.max(0, 1 - missed / asked);
  }
  const values = clients.map(([, client]) => client);
  const point: Point = {
    block: record.block,
    warmUp: plan.blocks.find(({ index }) => index === record.block)?.warmUp ?? false,
    slot: record.slot,
    label: record.label,
    arm: record.arm,
    workload: record.workload,
    start: record.windowStart,
    seconds: largest(values.map(({ seconds }) => seconds)),
    invalid,
    // Without answers, a client was lost.
    inWindow: invalid !== null && invalid === record.invalid && clients.length > 0,
    figures,
    tooLittle,
    lateSeconds: largest(values.map(({ late }) => late)),
    gapSeconds: largest(values.map(({ gap }) => gap)),
    requests: added(values.map(requestCount)),
    hitShares,
    stealPercent: largest(
      clients.map(([name, client]) =>
        stealPercent(
          client.counters,
          machines.find((machine) => machine.name === name),
        ),
      ),
    ),
    neighbours: neighbourFacts(record, plan, machines),
    pressurePercent: pressures(values),
    iostatGaps,
    armCount: added(values.map(countOf)),
    armReads: added(values.map((client) => readsOf(client)?.reads)),
    armReadBytes: added(values.map((client) => readsOf(client)?.bytes)),
  };
  const programs = values.flatMap((client) => client.proof?.after.script?.programs ?? []);
  return { point, latencies, iostat, programs };
}

function requestCount(client: Client): number | undefined {
  const requests = requestsOf(client);
  return requests && Object.values(requests).reduce((sum, count) => sum + count, 0);
}

/** Kinds with a fixed amount of work, which is checked for completeness; they need no minimum number of operations. */
const countedByProgram: readonly string[] = ["juicefs-bench", "ray-read", "tagging"];

/** The combined figures of all clients, or the reason why there are none. */
function figuresOf(folder: string, record: PointRecord, plan: Plan): Measurements | string {
  const workload = plan.workloads.find(({ name }) => name === record.workload);
  if (!workload) return `the plan has no workload ${record.workload}`;
  const units = Object.fromEntries(Object.entries(workload.figures).map(([name, { unit }]) => [name, unit]));
  const loops = {
    file: "loops.json",
    parser: (text: string) => parseLoops(text, units, plan.limits.gapSeconds),
  };
  const parse = {
    fio: {
      file: "fio.json",
      parser: (text: string) =>
        parseFio(text, {
          large: Object.values(units).includes("MB/s"),
          seconds: workload.seconds ?? record.plannedSeconds,
          passBytes:
            (workload.onePass ?? onePass(workload, workload.parameters))
              ? Number(workload.parameters["fileSize"])
              : undefined,
        }),
    },
    metadata: loops,
    walk: loops,
    application: loops,
    tagger: loops,
    lookup: loops,
    cat: loops,
    compile: loops,
    redis: loops,
    "juicefs-bench": { file: "juicefs-bench.txt", parser: parseJuicefsBench },
    tagging: { file: "tagging.json", parser: parseTagging },
    "ray-read": { file: "ray.json", parser: (text: string) => parseRay(text, plan.clients) },
  }[workload.kind];
  if (!parse) return `no parser for workloads of the kind ${workload.kind}`;
  // Workloads that the driver runs have one file for all clients.
  const files =
    workload.kind === "ray-read" || workload.kind === "tagging"
      ? [parse.file]
      : plan.clients.map((name) => `${name}.${parse.file}`);
  try {
    const all = files.map((name) => parse.parser(readText(join(folder, name))));
    const figures = Object.entries(workload.figures).map(([figure, facts]) => {
      const parts = all.map((measurements, index) => {
        const found = measurements[figure];
        if (!found) throw new InvalidOutput(`no figure ${figure} in ${files[index] ?? "?"}`);
        return found;
      });
      const combined = combine(parts, facts.combine);
      const few = countedByProgram.includes(workload.kind) ? undefined : tooFew(figure, combined.operations);
      return [figure, { ...combined, tooLittle: combined.tooLittle ?? few }] as const;
    });
    return Object.fromEntries(figures);
  } catch (error) {
    if (error instanceof InvalidOutput) return error.message;
    throw error;
  }
}

/** Combines the measurements of several clients: rates add up; times are averaged, weighted by operations. */
export function combine(parts: readonly Measurement[], how: "sum" | "mean"): Measurement {
  const operations = parts.reduce((sum, part) => sum + part.operations, 0);
  const value =
    how === "sum"
      ? parts.reduce((sum, part) => sum + part.value, 0)
      : parts.reduce((sum, part) => sum + part.value * part.operations, 0) / operations;
  const histograms = parts.map((part) => part.latencies).filter((entry) => entry !== undefined);
  const total = (key: "asked" | "missed"): number | undefined =>
    parts.every((part) => part[key] !== undefined)
      ? parts.reduce((sum, part) => sum + (part[key] ?? 0), 0)
      : undefined;
  return {
    value,
    operations,
    asked: total("asked"),
    missed: total("missed"),
    tooLittle: parts.find((part) => part.tooLittle !== undefined)?.tooLittle,
    ...(histograms.length === parts.length ? { latencies: merge(histograms) } : {}),
  };
}

function readText(file: string): string {
  if (!existsSync(file)) throw new InvalidOutput(`${file.split("/").at(-1) ?? file} is missing`);
  return readFileSync(file, "utf8");
}

/** iostat's samples, and the reason if there are none or too few. Figures do not depend on them. */
function readIostat(file: string): { lines?: Iostat; gap?: string } {
  try {
    const lines = parseIostat(readText(file));
    const count = lines.samples.length;
    if (lines.mended) return { lines, gap: `iostat: cut off, ${count} complete samples kept` };
    return count > 0
      ? { lines }
      : { lines, gap: "no sample: the window ended before iostat printed more than its average since boot" };
  } catch (error) {
    if (error instanceof InvalidOutput) return { gap: error.message };
    throw error;
  }
}

function pressures(clients: readonly Client[]): Record<string, number> {
  const names = new Set(clients.flatMap(({ counters: pair }) => Object.keys(pair?.before.pressure ?? {})));
  const entries = [...names].map((name) => [
    name,
    largest(
      clients.map(({ counters: pair, observedSeconds: seconds }) => {
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

/** Sum of the known values; null if there are none. */
function added(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) : null;
}
