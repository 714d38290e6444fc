/** Raw files of an invented run for tests: real fio and iostat output, loops whose rates the test decides. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ArmName } from "../arms.ts";
import { normal, seeded } from "../random.ts";
import { buildPlan, workloadsIn, type Plan } from "../plan.ts";
import type { Profile } from "../workloads.ts";

export interface Invented {
  readonly profile?: Profile;
  /** Default: those of every run. */
  readonly arms?: readonly ArmName[];
  readonly rows?: readonly string[];
  readonly marginPercent?: number;
  readonly seed?: number;
  readonly machineIds?: readonly string[];
  /** Of the loops' rates, as a share; 2 % when left out. */
  readonly noise?: number;
  readonly clients?: readonly string[];
  /** Nodes that serve the clients but are none; default none. */
  readonly cacheDroppers?: readonly string[];
  readonly virtualization?: string | null;
  /** Rate of a loop in operations/s, before the noise. */
  readonly rate?: (figure: string, label: string, workload: string) => number;
  /** More facts of a client's loop. */
  readonly loop?: (figure: string, client: string) => Record<string, unknown>;
  /** Last word on a point before it is written: undefined leaves it out. */
  readonly point?: (record: InventedPoint) => InventedPoint | undefined;
  readonly lost?: string;
}

export interface InventedPoint {
  version: number;
  block: number;
  slot: number;
  label: string;
  arm: string;
  workload: string;
  boots: Record<string, string>;
  started: string;
  ended: string;
  plannedSeconds: number;
  windowStart: string | null;
  invalid: string | null;
  clients: Record<string, Record<string, unknown>>;
}

/** What Ray's tasks say when each client has read its share. */
export function rayAnswer(clients: readonly string[]): Record<"small" | "large", InventedRay> {
  const part = (seconds: number, each: number, bytesEach: number): InventedRay => ({
    seconds,
    expected: { files: each * clients.length, bytesEach },
    tasks: clients.map((client) => ({ client, files: each, bytes: each * bytesEach, seconds, started: 0 })),
  });
  return { small: part(0.1, 4, 4096), large: part(0.2, 1, 1 << 20) };
}

export interface InventedRay {
  seconds: number;
  expected: { files: number; bytesEach: number };
  tasks: { client: string; files: number; bytes: number; seconds: number; started: number }[];
}

const real = (name: string): string => readFileSync(new URL(`./${name}.txt`, import.meta.url), "utf8");

/** Make the files in a new folder, and return the folder that holds `raw`. */
export function inventRun(options: Invented = {}): string {
  const { profile = "smoke", clients = ["node1", "node2"], virtualization = "kvm" } = options;
  const plan = buildPlan({
    profile,
    seed: options.seed ?? 1,
    arms: options.arms,
    rows: options.rows,
    marginPercent: options.marginPercent,
    clients,
    mountPoint: "/mnt/jfs",
    redis: { host: "10.77.0.10", port: 6379 },
    cacheDroppers: options.cacheDroppers ?? [],
    clock: "wall",
    settings: { topology: "course" },
    machineIds: options.machineIds ?? ["a"],
  });
  const folder = mkdtempSync(join(tmpdir(), "disgrafs-run-"));
  const raw = join(folder, "raw");
  mkdirSync(join(raw, "points"), { recursive: true });
  const json = (name: string, value: unknown): void => writeFileSync(join(raw, name), JSON.stringify(value));
  json("plan.json", plan);
  json("facts.json", {
    started: "2026-11-25T19:00:00.000+00:00",
    clients: Object.fromEntries(clients.map((name) => [name, facts(virtualization)])),
  });
  json("end.json", { ended: "2026-11-25T19:02:00.000+00:00", lost: options.lost ?? null, seconds: 120 });
  writePoints(plan, join(raw, "points"), options);
  return folder;
}

const bootId = "11111111-2222-3333-4444-555555555555";

function facts(virtualization: string | null): Record<string, unknown> {
  return {
    bootId,
    kernel: "6.12.48+deb13-cloud-amd64",
    cpu: "An <i>honest</i> CPU",
    cpus: 2,
    memoryKiB: 1500000,
    virtualization,
    governor: null,
    smt: "0",
    clocksource: "tsc",
    versions: {
      python: "3.13.5",
      fio: "fio-3.39",
      sysstat: "sysstat version 12.7.5",
      juicefs: "juicefs version 1.4.2",
    },
  };
}

function writePoints(
  plan: Plan,
  points: string,
  { rate = () => 1000, loop = () => ({}), point = (record) => record, noise = 0.02 }: Invented,
): void {
  const random = seeded(5);
  let second = 0;
  for (const block of plan.blocks) {
    for (const [slot, { label, arm }] of block.slots.entries()) {
      for (const workload of workloadsIn(plan, block)) {
        second += 4;
        const record = point({
          version: 2,
          block: block.index,
          slot,
          label,
          arm,
          workload: workload.name,
          boots: Object.fromEntries(plan.clients.map((name) => [name, bootId])),
          started: at(second),
          ended: at(second + 3),
          plannedSeconds: 1,
          windowStart: at(second),
          invalid: null,
          clients: Object.fromEntries(plan.clients.map((name) => [name, client(plan, workload, arm)])),
        });
        if (!record) continue;
        const folder = join(
          points,
          `${String(block.index).padStart(3, "0")}-${slot}-${label}-${workload.name}`,
        );
        mkdirSync(folder);
        writeFileSync(join(folder, "point.json"), JSON.stringify(record));
        if (workload.kind === "ray-read")
          writeFileSync(join(folder, "ray.json"), JSON.stringify(rayAnswer(plan.clients)));
        for (const name of plan.clients) {
          writeFileSync(join(folder, `${name}.iostat.json`), real("iostat-12.7"));
          if (workload.kind === "fio")
            writeFileSync(join(folder, `${name}.fio.json`), real("fio-3.39-randread"));
          else if (workload.kind === "juicefs-bench")
            writeFileSync(join(folder, `${name}.juicefs-bench.txt`), real("juicefs-1.4-bench"));
          else if (workload.kind !== "ray-read") {
            const loops = Object.keys(workload.figures).map((figure) => {
              const operations = Math.round(
                rate(figure, label, workload.name) * Math.exp(noise * normal(random)),
              );
              return [
                figure,
                {
                  operations,
                  seconds: 1,
                  histogram: { [String(Math.round(1e9 / operations))]: operations },
                  ...loop(figure, name),
                },
              ];
            });
            writeFileSync(join(folder, `${name}.loops.json`), JSON.stringify(Object.fromEntries(loops)));
          }
        }
      }
    }
  }
}

/** A moment of the run, in seconds from its begin. */
function at(second: number): string {
  return new Date(Date.UTC(2026, 10, 25, 19, 0, second)).toISOString();
}

/** What a client says of a window in which nothing went wrong. */
function client(
  plan: Plan,
  { place, caches }: Plan["workloads"][number],
  armName: string,
): Record<string, unknown> {
  const arm = plan.arms.find(({ name }) => name === armName);
  const onMount = place === "mount" && !arm?.local;
  const counters = (ticks: number): Record<string, unknown> => ({
    cpuTicks: ticks,
    stealTicks: 1,
    pressure: { cpu: ticks * 100, io: 0, memory: 0 },
    requests: onMount ? { lookup: ticks, open: 3 } : null,
    neighbours: { "10.77.0.10": { cpuTicks: ticks, stealTicks: 0, load: ticks / 1000, bootId } },
  });
  const proof = (count: number): Record<string, unknown> => ({
    ...(arm?.local && place === "mount" && { disk: "ext4" }),
    ...(onMount && { mount: { type: "fuse.juicefs", ...arm?.caches } }),
    ...((onMount || place === "data-disk") &&
      arm?.script && {
        script: {
          count: arm.counted ? count : null,
          ...(arm.reads && { reads: count, readBytes: 4096 * count }),
        },
      }),
  });
  return {
    late: 0.001,
    ...(place === "mount" && caches === "warm" && { gap: 0.101 }),
    seconds: 2,
    observedSeconds: 2.2,
    proof: { before: proof(5), after: proof(12) },
    counters: { before: counters(100), after: counters(500) },
  };
}
