/** Finds processes that outlive the program that started them, by pid and start time, so that a reused pid is recognised. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Identity of a process: a pid alone is used again after a reboot or a long uptime. */
export interface ProcessId {
  readonly pid: number;
  /** Start time in clock ticks since boot, from /proc/PID/stat. */
  readonly startTicks: string;
  /** Boot of this machine, from /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** The identity of a running process; undefined if no process has this pid. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses, which may contain anything; the other fields are counted from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const startTicks = fields[19];
    if (state === "Z" || startTicks === undefined) return undefined;
    return { pid, startTicks, bootId: bootId() };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still runs. */
export function isAlive(id: ProcessId): boolean {
  const now = identify(id.pid);
  return now?.startTicks === id.startTicks && now.bootId === id.bootId;
}

/** Ends a process: TERM, then KILL after `graceMs`, then waits up to ten times as long. True if it has ended. */
export async function end(id: ProcessId, graceMs = 3000): Promise<boolean> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (!isAlive(id)) return true;
    try {
      process.kill(id.pid, signal);
    } catch {
      return !isAlive(id);
    }
    // The kernel ends a killed process with a delay, on a busy computer and with gigabytes to free.
    if (await gone(id, signal === "SIGKILL" ? 10 * graceMs : graceMs)) return true;
  }
  return !isAlive(id);
}

/** Waits until a process has ended, at most `ms`. */
export async function gone(id: ProcessId, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (isAlive(id)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}
