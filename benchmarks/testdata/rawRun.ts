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
  readonly clients?: readonly string[];
  readonly virtualization?: string | null;
  /** Rate of a loop in operations/s, before 2 % of noise. */
  readonly rate?: (figure: string, label: string, workload: string) => number;
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
  windowStart: string | null;
  invalid: string | null;
  clients: Record<string, Record<string, unknown>>;
}

const rayAnswer = JSON.stringify({
  small: { files: 8, bytes: 32768, seconds: 0.1 },
  large: { files: 2, bytes: 2 << 20, seconds: 0.2 },
});

const real = (name: string): string => readFileSync(new URL(`./${name}.txt`, import.meta.url), "utf8");

/** Make the files in a new folder, and return the folder that holds `raw`. */
export function inventRun(options: Invented = {}): string {
  const { profile = "smoke", clients = ["node1", "node2"], virtualization = "kvm" } = options;
  const plan = buildPlan({
    profile,
    seed: 1,
    arms: options.arms,
    clients,
    mountPoint: "/mnt/jfs",
    redis: { host: "10.77.0.10", port: 6379 },
    cacheDroppers: [],
    clock: "wall",
    settings: { topology: "course" },
    machineIds: ["a"],
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

function facts(virtualization: string | null): Record<string, unknown> {
  return {
    bootId: "11111111-2222-3333-4444-555555555555",
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
  { rate = () => 1000, point = (record) => record }: Invented,
): void {
  const random = seeded(5);
  let second = 0;
  for (const block of plan.blocks) {
    for (const [slot, { label, arm }] of block.slots.entries()) {
      for (const workload of workloadsIn(plan, block)) {
        second += 4;
        const record = point({
          version: 1,
          block: block.index,
          slot,
          label,
          arm,
          workload: workload.name,
          windowStart: new Date(Date.UTC(2026, 10, 25, 19, 0, second)).toISOString(),
          invalid: null,
          clients: Object.fromEntries(plan.clients.map((name) => [name, client()])),
        });
        if (!record) continue;
        const folder = join(
          points,
          `${String(block.index).padStart(3, "0")}-${slot}-${label}-${workload.name}`,
        );
        mkdirSync(folder);
        writeFileSync(join(folder, "point.json"), JSON.stringify(record));
        if (workload.kind === "ray-read") writeFileSync(join(folder, "ray.json"), rayAnswer);
        for (const name of plan.clients) {
          writeFileSync(join(folder, `${name}.iostat.json`), real("iostat-12.7"));
          if (workload.kind === "fio")
            writeFileSync(join(folder, `${name}.fio.json`), real("fio-3.39-randread"));
          else if (workload.kind === "juicefs-bench")
            writeFileSync(join(folder, `${name}.juicefs-bench.txt`), real("juicefs-1.4-bench"));
          else if (workload.kind !== "ray-read") {
            const loops = Object.keys(workload.figures).map((figure) => {
              const operations = Math.round(
                rate(figure, label, workload.name) * Math.exp(0.02 * normal(random)),
              );
              return [
                figure,
                { operations, seconds: 1, histogram: { [String(Math.round(1e9 / operations))]: operations } },
              ];
            });
            writeFileSync(join(folder, `${name}.loops.json`), JSON.stringify(Object.fromEntries(loops)));
          }
        }
      }
    }
  }
}

/** What a client says of a window in which nothing went wrong. */
function client(): Record<string, unknown> {
  const counters = (ticks: number): Record<string, unknown> => ({
    cpuTicks: ticks,
    stealTicks: 1,
    pressure: { cpu: ticks * 100, io: 0, memory: 0 },
  });
  return {
    late: 0.001,
    seconds: 2,
    proof: { before: {}, after: {} },
    counters: { before: counters(100), after: counters(500) },
  };
}
