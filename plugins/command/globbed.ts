/** The `assets` and `archive` outputs: files that a command left in its folder. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { picker } from "./glob.ts";
import { assetArchive, fileAsset, type Value } from "./wire.ts";

/** The picked files as assets, by their paths from `dir` on. */
export async function collectAssets(
  dir: string,
  patterns: readonly string[],
): Promise<Record<string, Value>> {
  const picks = picker(patterns);
  const paths = (await filesOf(dir)).filter(picks).sort();
  const assets = paths.map(async (path): Promise<[string, Value]> => {
    const file = join(dir, path);
    return [path, fileAsset(file, await sha256(file))];
  });
  return Object.fromEntries(await Promise.all(assets));
}

/** The picked files as one archive. */
export async function collectArchive(dir: string, patterns: readonly string[]): Promise<Value> {
  const assets = await collectAssets(dir, patterns);
  const hash = createHash("sha256").update(JSON.stringify(assets)).digest("hex");
  return assetArchive(assets, hash);
}

/** Files below a folder, with `/` between folders. */
async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)));
}

/** Hex SHA-256 of a file. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
