/**
 * Locks of Pulumi's file backend: a JSON file for each running update, which remains if the CLI is killed. Locks whose process no
 * longer exists on this computer are removed; all others may be in use and are kept.
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

/** A lock without an owner, for example because the disk was full or the computer stopped while it was written. */
export interface BrokenLock {
  readonly file: string;
  readonly pid: undefined;
}

/**
 * A lock, or one that is being written, which a full disk leaves behind: Pulumi reads both, and ends when it cannot parse one.
 */
const lockName = /\.json(\.[0-9a-f]+\.tmp)?$/;

/** The locks on a stack; none for a backend that is not a folder on this computer. */
export function stackLocks(backendUrl: string, project: string, stack: string): (Lock | BrokenLock)[] {
  if (!backendUrl.startsWith("file:///")) return [];
  const state = fileURLToPath(backendUrl.replace(/[?#].*$/, "").replaceAll("%", "%25"));
  const folder = join(state, ".pulumi", "locks", "organization", project, stack);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => lockName.test(name))
    .map((name) => readLock(join(folder, name)));
}

function readLock(file: string): Lock | BrokenLock {
  try {
    const lock = JSON.parse(readFileSync(file, "utf8")) as Partial<Lock>;
    const { pid, hostname: host, timestamp } = lock;
    if (pid !== undefined && host !== undefined && timestamp !== undefined)
      return { file, pid, hostname: host, timestamp };
  } catch {
    // Empty, or a part of it.
  }
  return { file, pid: undefined };
}

/** True if the lock's process was on this computer and no longer exists. */
export function isStale(lock: Lock | BrokenLock): boolean {
  // Its holder is a Pulumi process, which runs for longer than it takes to write the lock.
  if (lock.pid === undefined) return !anyPulumi();
  if (lock.hostname !== hostname()) return false;
  const started = startTime(lock.pid);
  if (started === undefined) return true;
  // A process that started after the lock was created only reuses the pid of its creator. Unless it is a Pulumi process: then
  // the clock may have been set forward, and removing a valid lock could destroy the stack's record.
  return started > Date.parse(lock.timestamp) + 1000 && nameOf(lock.pid) !== "pulumi";
}

/** Removes the stale locks of a stack and returns them. */
export function removeStaleLocks(backendUrl: string, project: string, stack: string): (Lock | BrokenLock)[] {
  const stale = stackLocks(backendUrl, project, stack).filter(isStale);
  for (const lock of stale) {
    rmSync(lock.file, { force: true });
    rmSync(`${lock.file}.attrs`, { force: true });
  }
  return stale;
}

/** Whether any user's Pulumi runs on this computer. */
function anyPulumi(): boolean {
  return readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && nameOf(Number(pid)) === "pulumi");
}

/** Advice for a lock that must not be removed automatically. */
export function heldBy(lock: Lock | BrokenLock, stack: string): string {
  const cancel = `eval "$(./lab env)"; pulumi cancel --yes --stack ${stack}`;
  if (lock.pid === undefined)
    return (
      `the lock of stack "${stack}" does not say whose it is: ${lock.file} is empty or broken, and a pulumi runs on this ` +
      `computer. Wait for that to end and try again; or, if it is at work on something else: ${cancel}`
    );
  const whose = `stack "${stack}" is being changed by process ${lock.pid} on ${lock.hostname} since ${lock.timestamp}`;
  if (lock.hostname === hostname()) return `${whose}; wait for it to end, or end it with Ctrl-C`;
  return (
    `${whose}; this computer is ${hostname()}, so it cannot be seen from here whether that still runs. ` +
    `If it does not (or this computer had that name before): ${cancel}`
  );
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/** Start time of a process in milliseconds since 1970; undefined if it does not exist or is a zombie. */
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
