/**
 * Locks of Pulumi's file backend: a JSON file for each running update, which stays when the CLI is killed. Those whose
 * process is gone from this machine are removed; all others are somebody's and stay.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Lock {
  readonly file: string;
  readonly pid: number;
  readonly hostname: string;
  readonly timestamp: string;
}

/** The locks on a stack; none for a backend that is not a folder of this machine. */
export function stackLocks(backendUrl: string, project: string, stack: string): Lock[] {
  if (!backendUrl.startsWith("file:///")) return [];
  const state = fileURLToPath(backendUrl.replace(/[?#].*$/, "").replaceAll("%", "%25"));
  const folder = join(state, ".pulumi", "locks", "organization", project, stack);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => {
      const file = join(folder, name);
      return { ...(JSON.parse(readFileSync(file, "utf8")) as Omit<Lock, "file">), file };
    });
}

/** True when the lock's process certainly runs no more: it was one of this machine, and is gone. */
export function isStale(lock: Lock): boolean {
  if (lock.hostname !== hostname()) return false;
  const started = startTime(lock.pid);
  if (started === undefined) return true;
  // A process that started after the lock was made only has the number of the one that made it. Unless it is a Pulumi: then
  // it may be the clock that was set forward, and a lock that is taken away too early costs the stack's record.
  return started > Date.parse(lock.timestamp) + 1000 && nameOf(lock.pid) !== "pulumi";
}

/** Removes the stale locks of a stack and gives them. */
export function removeStaleLocks(backendUrl: string, project: string, stack: string): Lock[] {
  const stale = stackLocks(backendUrl, project, stack).filter(isStale);
  for (const lock of stale) {
    rmSync(lock.file, { force: true });
    rmSync(`${lock.file}.attrs`, { force: true });
  }
  return stale;
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/** When a process started, in milliseconds since 1970; undefined when there is none, or only its remains. */
function startTime(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // proc(5): the command's name may hold spaces and brackets, so count from its end; 3 is the state, 22 the start.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const ticksPerSecond = 100; // USER_HZ, the same on every x86-64 Linux
  const bootSeconds = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
  return (bootSeconds + Number(fields[19]) / ticksPerSecond) * 1000;
}
