/**
 * Ends a process on this machine with everything that it started: the processes of its session, which it leads, and all its
 * descendants, because for example `timeout` moves to a separate process group. A daemon that has left both is not affected.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds from SIGTERM to SIGKILL, and the most that its work is waited for. */
const grace = 5000;
const interval = 25;

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/** Sends SIGTERM, then SIGKILL to what is left. Resolves when nothing is, or a while after the latter. */
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

/** The processes of the tree that are alive; `known` gathers them, so that one whose parent has ended stays known. */
function living(known: Set<number>): number[] {
  const all = processes();
  for (let size = 0; size !== known.size;) {
    size = known.size;
    for (const { pid, parent, session } of all) if (known.has(parent) || known.has(session)) known.add(pid);
  }
  return all.filter(({ pid }) => known.has(pid)).map(({ pid }) => pid);
}

/** All processes but zombies; none where there is no /proc. */
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
  // The process group as well: all there is where processes cannot be looked at.
  for (const pid of [...pids, -leader]) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended, or is not ours.
    }
  }
}
