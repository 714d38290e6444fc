/** The `assets` and `archive` outputs: files that a command created in its folder. */
import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { abortReason, StepError } from "./errors.ts";
import { picker } from "./glob.ts";
import { assetArchive, fileAsset, type Value } from "./wire.ts";

/**
 * The selected files as assets, by their paths relative to `dir`. Symbolic links are followed.
 *
 * @throws StepError when something is picked that is no file: a pipe, a device, a link to nothing or back to a folder
 * that it is in
 */
export async function collectAssets(
  dir: string,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<Record<string, Value>> {
  const picks = picker(patterns);
  const entries = (await entriesOf(dir, "", [], signal)).filter(({ path }) => picks(path));
  const assets: Record<string, Value> = {};
  for (const { path, fault } of entries.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const file = join(dir, path);
    if (fault !== undefined)
      throw new StepError(
        `the patterns pick ${file}, which ${fault}; take it away with a pattern "!${path}" after the others`,
      );
    assets[path] = fileAsset(file, await sha256(file, signal));
  }
  return assets;
}

/** The selected files as one archive. */
export async function collectArchive(
  dir: string,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<Value> {
  const assets = await collectAssets(dir, patterns, signal);
  const hash = createHash("sha256").update(JSON.stringify(assets)).digest("hex");
  return assetArchive(assets, hash);
}

interface Entry {
  /** Relative to the folder, with `/` between folders. */
  readonly path: string;
  /** Why it cannot be in an archive; absent for a file. */
  readonly fault?: string;
}

/** Everything below a folder except folders. */
async function entriesOf(
  folder: string,
  prefix: string,
  above: readonly string[],
  signal: AbortSignal,
): Promise<Entry[]> {
  if (signal.aborted) throw abortReason(signal);
  const real = await realpath(folder);
  const entries: Entry[] = [];
  for (const name of await readdir(folder)) {
    const path = prefix + name;
    const facts = await stat(join(folder, name)).catch(() => undefined);
    if (!facts?.isDirectory()) entries.push({ path, ...faultOf(facts) });
    else if ([...above, real].includes(await realpath(join(folder, name))))
      entries.push({ path, fault: "is a symbolic link back to a folder that it is in" });
    else entries.push(...(await entriesOf(join(folder, name), `${path}/`, [...above, real], signal)));
  }
  return entries;
}

function faultOf(facts: Stats | undefined): { fault?: string } {
  if (!facts) return { fault: "is a symbolic link to nothing, or cannot be read" };
  if (facts.isFile()) return {};
  if (facts.isFIFO()) return { fault: "is a named pipe" };
  return { fault: facts.isSocket() ? "is a socket" : "is a device" };
}

/** Hex SHA-256 of a file. */
export async function sha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal }).catch((error: unknown) => {
    throw signal?.aborted ? abortReason(signal) : error;
  });
  return hash.digest("hex");
}
