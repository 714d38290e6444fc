/** Hash of the code that turns raw files into run.json: files with the same hash were made by the same rules. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const folder = import.meta.dirname;

/** A short SHA-256 of analyse.ts and of all that it imports from this folder. */
export function analysisHash(): string {
  const hash = createHash("sha256");
  for (const file of analysisSources()) hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest("hex").slice(0, 12);
}

/** Names of the files in this folder that the hash is of. */
export function analysisSources(file = join(folder, "analyse.ts"), found = new Set<string>()): string[] {
  const name = relative(folder, file);
  if (!name.startsWith("..") && !found.has(name)) {
    found.add(name);
    for (const [, imported = ""] of readFileSync(file, "utf8").matchAll(/ from "(\.[^"]+)";/g))
      analysisSources(join(dirname(file), imported), found);
  }
  return [...found].sort();
}
