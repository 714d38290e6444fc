/** What processes have open, by /proc: without the lab's own code, so that tests can check what that says. */
import { readdirSync, readlinkSync } from "node:fs";

/** What a process has open, and where it is; nothing for one that has ended. */
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
