/**
 * Ends a process on this machine with everything that it started: the processes of its session, which it leads, and all its
 * descendants, because for example `timeout` moves to a separate process group. A daemon that has left both is not affected.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds from SIGTERM to SIGKILL, and the time limit for waiting after SIGKILL. */
const grace = 5000;
const interval = 25;

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/** Sends SIGTERM, then SIGKILL to remaining processes. Resolves when none is left, or some time after SIGKILL. */
export async function endTree(leader: number): Promise<void> {
  const known = new Set([leader]);
  const end = Date.now() + grace;
  send(living(known), "SIGTERM", leader);
  while (living(known).length > 0 && Date.now() < end) await sleep(interval);
  const left = living(known);
  if (left.length === 0) return;
  send(left, "SIGKILL", leader);
  while (living(known).length > 0 && Date.now() < end + grace) await sleep(interval);
}

/** The living processes of the tree; `known` collects them, so that a process stays known after its parent has ended. */
function living(known: Set<number>): number[] {
  const all = processes();
  for (let size = 0; size !== known.size;) {
    size = known.size;
    for (const { pid, parent, session } of all) if (known.has(parent) || known.has(session)) known.add(pid);
  }
  return all.filter(({ pid }) => known.has(pid)).map(({ pid }) => pid);
}

/** All processes except zombies; none without /proc. */
function processes(): Entry[] {
  return names().flatMap((name) => {
    try {
      // After the name in parentheses: state, parent, process group, session.
      const [, state, parent, session] =
        /\) (\S) (\d+) \d+ (\d+)/.exec(readFileSync(`/proc/${name}/stat`, "latin1")) ?? [];
      return state === "Z" ? [] : [{ pid: Number(name), parent: Number(parent), session: Number(session) }];
    } catch {
      return []; // It has just ended.
    }
  });
}

function names(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function send(pids: readonly number[], signal: NodeJS.Signals, leader: number): void {
  // The process group as well: without /proc, it is the only way.
  for (const pid of [...pids, -leader]) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended, or belongs to another user.
    }
  }
}
