/** The open files of processes, from /proc, without the lab's own code, which tests check with this. */
import { readdirSync, readlinkSync } from "node:fs";

/** A process's open files and working directory; nothing if it has ended. */
export function linksOf(pid: number | string): string[] {
  try {
    const open = readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`);
    return [`/proc/${pid}/cwd`, ...open].flatMap((link) => {
      try {
        return [readlinkSync(link)];
      } catch {
        return []; // closed meanwhile
      }
    });
  } catch {
    return [];
  }
}
