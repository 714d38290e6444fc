/** Lists this machine's processes, to check that none is left. */
import { readdirSync, readFileSync } from "node:fs";

/** Ids of the living processes that have a text in their command line. */
export function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const state = /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
        return state !== "Z" && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
      } catch {
        return false; // It has just ended.
      }
    })
    .map(Number);
}

/** Waits until a condition holds; fails with `what` when it does not in time. */
export async function until(what: string, holds: () => boolean, seconds = 120): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`still not true after ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
