/** Lists all files of a folder in a fixed order, for hashes. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Paths of the files below a folder, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
