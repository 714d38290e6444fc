/** Room on a disk. */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

/** Bytes that this user can still write below a folder, which need not exist yet. */
export function freeBytes(folder: string): number {
  if (!existsSync(folder)) return freeBytes(dirname(folder));
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
