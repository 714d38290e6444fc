/** The version of this checkout (commit, and whether it was changed), for results and `./lab --version`. */
import { spawnSync } from "node:child_process";

export interface CheckoutState {
  readonly commit: string | null;
  /** Whether files differ from the commit. */
  readonly dirty: boolean | null;
}

/** The commit of this checkout; nulls outside of git. */
export function checkoutState(): CheckoutState {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" });
  const commit = git("rev-parse", "HEAD");
  if (commit.status !== 0) return { commit: null, dirty: null };
  return { commit: commit.stdout.trim(), dirty: git("status", "--porcelain").stdout !== "" };
}
