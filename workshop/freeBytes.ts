/** Free space on a disk. */
import { statfsSync } from "node:fs";

/** Bytes that this user can still write below a folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
