/**
 * The runner's record of a point (point.json) and its checks: a record that contradicts the plan or another record, or lacks
 * required content, becomes INVALID(reason). The analysis does not trust the runner.
 */
import { z } from "zod";
import type { Plan } from "./plan.ts";
import { programSchema, type Machine } from "./run.ts";

/** Version of point.json. 2: planned seconds, gap after warming, FUSE requests, the other nodes. */
const recordVersion = 2;

const ticks = {
  /** Of all CPUs since boot: all, idle, and stolen by a hypervisor. Older records lack the idle ones, and the number of CPUs. */
  cpuTicks: z.number(),
  idleTicks: z.number().default(0),
  stealTicks: z.number().nullable(),
  cpus: z.int().min(1).default(1),
};
const counters = z.object({
  ...ticks,
  pressure: z.record(z.string(), z.number().nullable()),
  /** FUSE requests that JuiceFS has received from the mount, by method; null if the workload does not use the mount. */
  requests: z.record(z.string(), z.number()).nullable().default(null),
  /** By address, nodes that serve the clients but are not clients; the first client asks them. */
  neighbours: z
    .record(
      z.string(),
      // Older records lack the boot id.
      z.object({ ...ticks, load: z.number().nullable(), bootId: z.string().nullable().default(null) }),
    )
    .default({}),
});
const proof = z.object({
  /** Names of the extensions that were loaded; absent in older records. */
  extensions: z.array(z.string()).optional(),
  /** Type of the file system that the arm used instead of the volume. */
  disk: z.string().optional(),
  mount: z.object({ type: z.string(), attr: z.number(), entry: z.number(), dirEntry: z.number() }).optional(),
  script: z
    .object({
      count: z.int().nullable(),
      /** Reads that the arm's extension answered, and their bytes; null if it answers none. */
      reads: z.int().nullable().default(null),
      readBytes: z.int().nullable().default(null),
      programs: z.array(programSchema).default([]),
    })
    .optional(),
});
const clientSchema = z.object({
  /** Seconds from the agreed start to the workload's first operation, including the start of its tools. */
  late: z.number().optional(),
  /** Seconds from the end of warming to the window; only for a warmed workload. */
  gap: z.number().optional(),
  /** Bytes read to keep it warm, after the counts before the window. */
  warmBytes: z.int().default(0),
  seconds: z.number().optional(),
  /** Seconds between the two readings of the counters, including the wait for the start. */
  observedSeconds: z.number().optional(),
  invalid: z.string().optional(),
  counters: z.object({ before: counters, after: counters }).optional(),
  proof: z.object({ before: proof, after: proof }).optional(),
});
export type Client = z.infer<typeof clientSchema>;

export const recordSchema = z.object({
  version: z.literal(recordVersion),
  block: z.int(),
  slot: z.int(),
  label: z.string(),
  arm: z.string(),
  workload: z.string(),
  /** Boot id of each client. */
  boots: z.record(z.string(), z.string()),
  started: z.iso.datetime({ offset: true }),
  ended: z.iso.datetime({ offset: true }),
  windowStart: z.string().nullable(),
  /** Planned length of the window. */
  plannedSeconds: z.number().positive(),
  invalid: z.string().nullable(),
  clients: z.record(z.string(), clientSchema),
});
export type PointRecord = z.infer<typeof recordSchema>;

/** Why a record does not belong to the plan; undefined if it does. */
export function misplaced(record: PointRecord, plan: Plan): string | undefined {
  const block = plan.blocks.find(({ index }) => index === record.block);
  if (!block) return `the plan has no block ${record.block}`;
  const slot = block.slots[record.slot];
  if (!slot) return `the plan has no slot ${record.slot} in block ${record.block}`;
  if (slot.label !== record.label || slot.arm !== record.arm)
    return (
      `recorded as ${record.label} in arm ${record.arm}, ` +
      `where the plan has ${slot.label} in arm ${slot.arm} (block ${record.block}, slot ${record.slot})`
    );
  const workload = workloadOf(record, plan);
  if (!workload) return `the plan has no workload ${record.workload}`;
  if (workload.once && !block.warmUp) return `${record.workload} runs only in the warm-up`;
  return undefined;
}

/** The plan's entry of a point's workload; undefined if the plan has none. */
function workloadOf({ workload }: PointRecord, { workloads }: Plan): Plan["workloads"][number] | undefined {
  return workloads.find(({ name }) => name === workload);
}

/**
 * Why a point does not count although its programs ran; undefined if it counts.
 * @param machines the clients in each boot of the run, the last boot first
 */
export function unfit(record: PointRecord, plan: Plan, machines: readonly Machine[]): string | undefined {
  for (const name of plan.clients) {
    const client = record.clients[name];
    if (!client) return `no answer from ${name}`;
    const bootId = record.boots[name];
    const machine = machines.find((entry) => entry.name === name && entry.bootId === bootId);
    if (!machine) return `${name}: recorded in boot ${bootId ?? "unknown"}, of which the run has no facts`;
    const reason =
      incomplete(client, record, plan) ??
      stolen(stealPercent(client.counters, machine), machine, plan) ??
      notInForce(client, record, plan);
    if (reason !== undefined) return `${name}: ${reason}`;
  }
  return neighbourStolen(record, plan, machines) ?? notTogether(record, plan);
}

/** The same check for the nodes of Redis and the object store: each must be in the record, with little CPU time stolen. */
function neighbourStolen(
  { clients }: PointRecord,
  plan: Plan,
  machines: readonly Machine[],
): string | undefined {
  const first = clients[plan.clients[0] ?? ""];
  for (const address of plan.cacheDroppers) {
    const pair = neighbourOf(first, address);
    if (!pair) return `${address}: recorded no counters`;
    // All machines of a lab are of the same kind.
    const reason = stolen(stealPercent(pair, machines[0]), machines[0], plan);
    if (reason !== undefined) return `${address}: ${reason}`;
  }
  return undefined;
}

interface CpuTime {
  readonly cpuTicks: number;
  readonly idleTicks: number;
  readonly stealTicks: number | null;
  readonly cpus: number;
}
interface Pair<T> {
  readonly before: T;
  readonly after: T;
}
type Ticks = Pair<CpuTime>;
type Neighbour = z.infer<typeof counters>["neighbours"][string];

/** Counters of another node before and after a window; undefined when one of them is missing. */
function neighbourOf(client: Client | undefined, address: string): Pair<Neighbour> | undefined {
  const [before, after] = [
    client?.counters?.before.neighbours[address],
    client?.counters?.after.neighbours[address],
  ];
  return before && after && { before, after };
}

/** Largest steal and load of other nodes in a window; null where there are none, or none says. */
export function neighbourFacts(
  { clients }: PointRecord,
  plan: Plan,
  machines: readonly Machine[],
): { readonly stealPercent: number | null; readonly load: number | null } {
  const first = clients[plan.clients[0] ?? ""];
  const steals = plan.cacheDroppers.map((address) => stealPercent(neighbourOf(first, address), machines[0]));
  const loads = Object.values(first?.counters?.after.neighbours ?? {}).map(({ load }) => load ?? undefined);
  return { stealPercent: largest(steals), load: largest(loads) };
}

/** The largest known value; null if there is none. */
export function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.max(...known) : null;
}

/** What every client must have recorded. */
function incomplete(client: Client, record: PointRecord, plan: Plan): string | undefined {
  if (!client.counters) return "recorded no counters";
  if (client.late === undefined) return "did not record when it began";
  const workload = workloadOf(record, plan);
  if (workload?.caches === "warm" && workload.place === "mount" && client.gap === undefined)
    return "did not record how long before the window it was warmed";
  const arm = armOf(record, plan);
  const proven = client.proof?.before.script && client.proof.after.script;
  if (dependsOnArm(workload) && arm?.script && !proven) return `recorded no proof of arm ${record.arm}`;
  if (workload?.place !== "mount") return undefined;
  if (arm?.local) return notOnDisk(client);
  if (!client.proof?.before.mount || !client.proof.after.mount) return "recorded no proof of its mount";
  const requests = requestsOf(client);
  if (!requests) return "recorded no count of FUSE requests";
  const { statfs = 0 } = requests;
  // Monitoring asks for the free space of each mount, whatever the workload does.
  if (sum(requests) - statfs <= 0)
    return "no request of the workload reached JuiceFS: it did not use the mount";
  return undefined;
}

/** Whether a workload runs where arms change something, so that the runner proves the arm before and after it. */
function dependsOnArm(workload: Plan["workloads"][number] | undefined): boolean {
  return workload?.place === "mount" || workload?.place === "data-disk";
}

function armOf({ arm: name }: PointRecord, plan: Plan): Plan["arms"][number] | undefined {
  return plan.arms.find((arm) => arm.name === name);
}

/** Why an arm did not use the node's own disk; undefined if it did. */
function notOnDisk({ proof: pair }: Client): string | undefined {
  const types = [pair?.before.disk, pair?.after.disk];
  if (types.some((type) => type === undefined)) return "recorded no proof of its disk";
  return types.some((type) => type?.startsWith("fuse"))
    ? `the files were not on the node's own disk, but on ${types.join(", then ")}`
    : undefined;
}

function stolen(steal: number | undefined, machine: Machine | undefined, plan: Plan): string | undefined {
  // An emulated machine has a counter of stolen time, but nothing increments it.
  if (emulated(machine)) return undefined;
  if (steal === undefined) return "recorded no CPU steal, which its machine has";
  if (steal > plan.limits.stealPercent)
    return `CPU steal ${steal.toFixed(1)} %, more than ${plan.limits.stealPercent} %`;
  return undefined;
}

/** Why the arm was not in force, by the same evidence that the runner checks; undefined if it was. */
function notInForce(client: Client, record: PointRecord, plan: Plan): string | undefined {
  const workload = workloadOf(record, plan);
  const arm = armOf(record, plan);
  const foreign = [client.proof?.before, client.proof?.after]
    .flatMap((state) => state?.extensions ?? [])
    .filter((name) => name !== arm?.extension);
  if (foreign.length > 0)
    return `extensions that are not part of arm ${record.arm} were loaded: ${[...new Set(foreign)].join(", ")}`;
  if (!arm || arm.local || !dependsOnArm(workload)) return undefined;
  if (arm.counted && !((countOf(client) ?? 0) > 0))
    return `arm ${arm.name} was enabled, but its run count did not move`;
  const { reads, bytes } = readsOf(client) ?? { reads: 0, bytes: 0 };
  if (arm.reads && workload?.reads && !(reads > 0 && bytes > 0))
    return `arm ${arm.name} was enabled, but no read() was answered from the block cache`;
  if (workload?.place !== "mount") return undefined;
  for (const state of [client.proof?.before.mount, client.proof?.after.mount]) {
    for (const key of ["attr", "entry", "dirEntry"] as const) {
      if (state?.[key] !== arm.caches[key])
        return `the mount was not in arm ${arm.name}: ${key} was ${state?.[key] ?? "?"} s, not ${arm.caches[key]} s`;
    }
  }
  return undefined;
}

/** Why the clients did not run together, or not soon enough after warming; undefined if they did. */
function notTogether(record: PointRecord, plan: Plan): string | undefined {
  const { clients } = record;
  const { limits } = plan;
  const workload = workloadOf(record, plan);
  const plannedSeconds = workload?.seconds ?? record.plannedSeconds;
  const isFio = workload?.kind === "fio";
  const longestGap = (isFio ? limits.fioGapSeconds : undefined) ?? limits.gapSeconds;
  const lates = Object.entries(clients).map(([name, { late = 0 }]) => [name, late] as const);
  // If all begin late, they still run together.
  const first = Math.min(...lates.map(([, late]) => late));
  for (const [name, late] of lates) {
    if (late - first > plannedSeconds * limits.lateShare)
      return `${name} began ${(late - first).toFixed(1)} s after the first, in a window of ${plannedSeconds.toFixed(1)} s: the clients did not run together`;
    const { gap = 0 } = clients[name] ?? {};
    if (gap > longestGap)
      return `${name} was warmed ${gap.toFixed(1)} s before the window, more than ${longestGap} s`;
  }
  return undefined;
}

/**
 * For each record, the reason why it contradicts the others: two records of one point, a block from several boots, or a block
 * with a long pause. Arms are compared within a block, so a block must be measured without interruption on the same machines.
 */
export function contradictions(records: readonly PointRecord[], plan: Plan): (string | undefined)[] {
  const places = groups(records, ({ block, slot, workload }) => `${block} ${slot} ${workload}`);
  const blocks = groups(records, ({ block }) => String(block));
  return records.map((record) => {
    const twins = places.get(`${record.block} ${record.slot} ${record.workload}`) ?? [];
    if (twins.length > 1)
      return `${twins.length} records of one point (block ${record.block}, slot ${record.slot})`;
    return inOneStretch(blocks.get(String(record.block)) ?? [], plan);
  });
}

function inOneStretch(block: readonly PointRecord[], plan: Plan): string | undefined {
  for (const name of plan.clients) {
    if (new Set(block.map(({ boots }) => boots[name])).size > 1)
      return `the block was measured in more than one boot of ${name}`;
  }
  const first = plan.clients[0] ?? "";
  for (const address of plan.cacheDroppers) {
    const pairs = block.map(({ clients }) => neighbourOf(clients[first], address));
    const seen = pairs.flatMap((pair) => [pair?.before.bootId, pair?.after.bootId]);
    if (new Set(seen.filter((boot) => typeof boot === "string")).size > 1)
      return `the block was measured in more than one boot of ${address}`;
  }
  const inOrder = [...block].sort((a, b) => Date.parse(a.started) - Date.parse(b.started));
  for (const [index, record] of inOrder.entries()) {
    const next = inOrder[index + 1];
    const pause = next ? (Date.parse(next.started) - Date.parse(record.ended)) / 1000 : 0;
    if (pause > plan.limits.pauseSeconds)
      return `the block was interrupted for ${Math.round(pause / 60)} minutes`;
  }
  return undefined;
}

function groups<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const value of values) found.set(key(value), [...(found.get(key(value)) ?? []), value]);
  return found;
}

/** FUSE requests in a client's window and in the warming before it, by method; undefined if they were not counted. */
export function requestsOf({ counters: pair }: Client): Record<string, number> | undefined {
  const [before, after] = [pair?.before.requests, pair?.after.requests];
  if (!before || !after) return undefined;
  return Object.fromEntries(
    Object.entries(after).map(([method, count]) => [method, count - (before[method] ?? 0)]),
  );
}

/** Number of runs of the arm's extension in a client's window and in the warming before it; undefined if the arm has no count. */
export function countOf({ proof: pair }: Client): number | undefined {
  const [before, after] = [pair?.before.script?.count ?? null, pair?.after.script?.count ?? null];
  return before !== null && after !== null ? after - before : undefined;
}

/**
 * Reads that the arm's extension answered for a client, with those of the warming before its window, and the bytes of the window;
 * undefined if it answers none. All bytes of the warming are taken as answered, so the number of bytes is not too large.
 */
export function readsOf({
  proof: pair,
  warmBytes,
}: Client): { readonly reads: number; readonly bytes: number } | undefined {
  const [before, after] = [pair?.before.script, pair?.after.script];
  if (!before || !after || before.reads === null || after.reads === null) return undefined;
  return {
    reads: after.reads - before.reads,
    bytes: (after.readBytes ?? 0) - (before.readBytes ?? 0) - warmBytes,
  };
}

/**
 * CPU time stolen in a window, percent of the time that the CPUs were wanted, or of one CPU's time if they were wanted for less;
 * undefined if unknown. Idle CPUs do not dilute it: a workload of one thread can lose half of its CPU on a machine of eight.
 */
export function stealPercent(pair: Ticks | undefined, machine: Machine | undefined): number | undefined {
  if (emulated(machine) || !pair || pair.before.stealTicks === null || pair.after.stealTicks === null)
    return undefined;
  const all = pair.after.cpuTicks - pair.before.cpuTicks;
  const wanted = all - (pair.after.idleTicks - pair.before.idleTicks);
  const whole = Math.max(wanted, all / pair.after.cpus);
  return whole > 0 ? (100 * (pair.after.stealTicks - pair.before.stealTicks)) / whole : undefined;
}

function emulated(machine: Machine | undefined): boolean {
  return machine?.virtualization === "qemu";
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
