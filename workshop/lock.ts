/** A lock between processes, which the kernel releases when its holder ends in any way. */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs `work` while holding `flock` on `file`. Waits for another holder, and reports that. */
export async function withLock<T>(
  file: string,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  // flock(1) holds the lock for as long as `cat` waits for the end of our pipe, which also ends if we are killed.
  const holder = spawn("flock", [file, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  holder.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const waiting = setTimeout(() => {
    say(`waiting for another process that holds ${file}`);
  }, 1000);
  try {
    await Promise.race([
      once(holder.stdout, "data"),
      once(holder, "error").then(([error]: unknown[]) => {
        throw error as Error;
      }),
      once(holder, "close").then(() => {
        throw new Error(`cannot lock ${file}: ${said.trim()}`);
      }),
    ]);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
  }
}
