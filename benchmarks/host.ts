/**
 * The load of the computer that runs a lab's virtual machines, which affects them but which they cannot see. It is read right
 * before and after a run (`node host.ts` prints it); the difference of the counters belongs to the run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";

export const hostStateSchema = z.strictObject({
  at: z.iso.datetime(),
  bootId: z.string(),
  cpu: z.string().nullable(),
  cpus: z.int(),
  /** Load averages of 1, 5 and 15 minutes. */
  load: z.array(z.number()).length(3),
  /** CPU ticks since boot: all, idle, and stolen by a hypervisor. */
  cpuTicks: z.number(),
  idleTicks: z.number(),
  stealTicks: z.number(),
  /** Microseconds since boot in which a task waited for a CPU; null if the kernel does not count it. */
  waitedMicroseconds: z.number().nullable(),
  /** Number of virtual machines (QEMU processes), including those of this lab. */
  machines: z.int(),
});
export type HostState = z.infer<typeof hostStateSchema>;

export const hostSchema = z.strictObject({
  cpu: z.string().nullable(),
  cpus: z.int(),
  /** One minute's load average before and after the run. */
  load: z.strictObject({ before: z.number(), after: z.number() }),
  /** Number of virtual machines before and after, including those of this lab. */
  machines: z.strictObject({ before: z.int(), after: z.int() }),
  /** Percent of the CPU time in between; null if the computer was restarted. */
  busyPercent: z.number().nullable(),
  stealPercent: z.number().nullable(),
  /** Percent of the time in which a task waited for a CPU. */
  waitedPercent: z.number().nullable(),
});

/** The current state. `proc` is /proc, or a test's replacement. */
export function hostState(proc = "/proc", at = new Date()): HostState {
  const read = (name: string): string => readFileSync(`${proc}/${name}`, "utf8");
  const ticks = (/^cpu +(.*)$/m.exec(read("stat"))?.[1] ?? "").split(" ").slice(0, 8).map(Number);
  const [, , , idle = 0, waiting = 0, , , steal = 0] = ticks;
  return {
    at: at.toISOString(),
    bootId: read("sys/kernel/random/boot_id").trim(),
    cpu: /^model name\s*: (.+)$/m.exec(read("cpuinfo"))?.[1] ?? null,
    cpus: read("cpuinfo").match(/^processor\s*:/gm)?.length ?? 0,
    load: read("loadavg").split(" ").slice(0, 3).map(Number),
    cpuTicks: ticks.reduce((sum, count) => sum + count, 0),
    idleTicks: idle + waiting,
    stealTicks: steal,
    waitedMicroseconds: waited(proc),
    machines: readdirSync(proc).filter((name) => /^\d+$/.test(name) && isMachine(`${proc}/${name}`)).length,
  };
}

/** The computer's load during a run, for its record. */
export function hostBetween(before: HostState, after: HostState): z.infer<typeof hostSchema> {
  const counted = before.bootId === after.bootId && after.cpuTicks > before.cpuTicks;
  const all = after.cpuTicks - before.cpuTicks;
  const share = (key: "idleTicks" | "stealTicks"): number => (100 * (after[key] - before[key])) / all;
  const microseconds = 1000 * (Date.parse(after.at) - Date.parse(before.at));
  const waitedFor =
    counted && before.waitedMicroseconds !== null && after.waitedMicroseconds !== null && microseconds > 0
      ? (100 * (after.waitedMicroseconds - before.waitedMicroseconds)) / microseconds
      : null;
  return {
    cpu: after.cpu,
    cpus: after.cpus,
    load: { before: before.load[0] ?? 0, after: after.load[0] ?? 0 },
    machines: { before: before.machines, after: after.machines },
    busyPercent: counted ? 100 - share("idleTicks") : null,
    stealPercent: counted ? share("stealTicks") : null,
    waitedPercent: waitedFor,
  };
}

function waited(proc: string): number | null {
  try {
    const some = /^some .*total=(\d+)/m.exec(readFileSync(`${proc}/pressure/cpu`, "utf8"));
    return some ? Number(some[1]) : null;
  } catch {
    // A kernel without pressure stall information.
    return null;
  }
}

function isMachine(folder: string): boolean {
  try {
    return readFileSync(`${folder}/comm`, "utf8").startsWith("qemu-system");
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(hostState())}\n`);
