/**
 * Lists the cache's entries with the reasons for keeping them, and removes the others. Each change of a recipe (packages, a
 * kernel, an extension's source) leaves an unused entry behind.
 */
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { localKernelNames } from "../../provisioning/kernels.ts";
import { grafanaRelease } from "../../provisioning/monitoring/grafana/release.ts";
import { builderKey, buildKey } from "../builder/builder.ts";
import { loopsKey } from "../builder/loops.ts";
import { kinds, usesOf, type Kind } from "./cacheUse.ts";
import { removeRoot } from "../debian/debian.ts";
import { packageKey } from "../debian/vendorPackage.ts";
import { imageKey } from "../image/image.ts";
import { withLock } from "../lock.ts";
import { cacheFolder, checkout } from "../checkout.ts";
import { neo4jKey } from "../neo4j.ts";
import { rayMetricsKey } from "../rayMetrics.ts";

/** A recently used entry may still be read, for example a build that is copied to machines. */
const graceMs = 3_600_000;

export interface Entry {
  readonly kind: Kind;
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** Time of its creation. */
  readonly made: Date;
  /** Reason for keeping it; undefined if no known user needs it. */
  readonly neededBy: string | undefined;
}

/** Paths below the cache that this checkout currently uses. */
function presentKeys(): Set<string> {
  return new Set([
    ...localKernelNames.map((kernel) => join("images", `${kernel}-${imageKey(kernel)}`)),
    join("builder", builderKey()),
    join("extensions", buildKey(join(checkout, "bpf"))),
    join("programs", loopsKey()),
    join("neo4j", neo4jKey()),
    join("ray-metrics", rayMetricsKey()),
    join("packages", packageKey(grafanaRelease)),
  ]);
}

/** Reasons for keeping entries, by path below the cache. `present` has the entries that this checkout currently uses. */
async function needs(cache: string, present: ReadonlySet<string>): Promise<Map<string, string>> {
  const found = new Map([...present].map((path) => [path, "this checkout"]));
  const users = new Set<string>();
  for (const { kind, name, user } of usesOf(cache)) {
    users.add(user);
    // This checkout knows its own keys better; the keys of tests' images are only in the notes.
    if (user !== checkout || kind === "ec2") found.set(join(kind, name), user);
  }
  for (const user of users.add(checkout))
    for (const disk of disksOf(user)) found.set(await below(cache, disk), disk);
  for (const file of openFiles())
    if (file.startsWith(`${cache}/`)) found.set(entryOf(cache, file), "a process");
  return found;
}

/** Disks of a checkout's machines. */
function disksOf(root: string): string[] {
  const stacks = join(root, ".lab", "stacks");
  if (!existsSync(stacks)) return [];
  const files = readdirSync(stacks, { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".qcow2")).map((file) => join(stacks, file));
}

/** The entry that is the base of a disk; empty if there is none. */
async function below(cache: string, disk: string): Promise<string> {
  // -U: the machine may be running.
  const info = await execa("qemu-img", ["info", "-U", "--output=json", disk]);
  const file =
    (JSON.parse(info.stdout) as { "full-backing-filename"?: string })["full-backing-filename"] ?? "";
  return file.startsWith(`${cache}/`) ? entryOf(cache, file) : "";
}

function entryOf(cache: string, file: string): string {
  return file
    .slice(cache.length + 1)
    .split("/")
    .slice(0, 2)
    .join("/");
}

/** Files opened by processes, as far as this user can see them. */
function openFiles(): string[] {
  const list = (folder: string): string[] => {
    try {
      return readdirSync(folder);
    } catch {
      return []; // Ended meanwhile, or belongs to another user.
    }
  };
  const target = (link: string): string => {
    try {
      return readlinkSync(link);
    } catch {
      return "";
    }
  };
  return list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => list(`/proc/${pid}/fd`).map((fd) => target(`/proc/${pid}/fd/${fd}`)));
}

/** All entries of the cache that are named by a hash. */
export async function cacheEntries(cache = cacheFolder, present = presentKeys()): Promise<Entry[]> {
  const needed = await needs(cache, present);
  const found: Entry[] = [];
  for (const kind of kinds) {
    const parent = join(cache, kind);
    for (const entry of existsSync(parent) ? readdirSync(parent, { withFileTypes: true }) : []) {
      if (!entry.isDirectory()) continue;
      const folder = join(parent, entry.name);
      const neededBy = needed.get(join(kind, entry.name));
      const made = statSync(folder).birthtime;
      found.push({ kind, name: entry.name, folder, bytes: await bytesOf(folder), made, neededBy });
    }
  }
  return found;
}

/** Disk usage (images are sparse). */
async function bytesOf(folder: string): Promise<number> {
  const { stdout } = await execa("du", ["-s", "-B1", folder], { reject: false });
  return Number(stdout.split("\t")[0]);
}

/**
 * Removes entries that are not needed and were not used in the last hour. Each is renamed first, so that a process that looks
 * for it meanwhile creates it again. It gets its name back if a use was recorded at that moment.
 * @returns the removed entries
 */
export async function prune(
  say: (line: string) => void,
  cache = cacheFolder,
  present = presentKeys(),
): Promise<Entry[]> {
  const isFresh = (folder: string): boolean => Date.now() - statSync(folder).mtimeMs < graceMs;
  const removed: Entry[] = [];
  for (const entry of await cacheEntries(cache, present)) {
    const { kind, name, folder, neededBy } = entry;
    if (neededBy !== undefined || isFresh(folder)) continue;
    // The lock of the makers of such entries: an entry that is being created is not touched.
    await withLock(join(cache, kind, lockOf(kind, name)), say, async () => {
      if (!existsSync(folder) || isFresh(folder)) return;
      const aside = name.endsWith(".partial") ? folder : `${folder}.partial`;
      await rename(folder, aside);
      if ((await needs(cache, present)).has(join(kind, name))) {
        await rename(aside, folder);
        return;
      }
      await removeRoot(join(aside, "root"));
      await rm(aside, { recursive: true, force: true });
      removed.push(entry);
    });
  }
  return removed;
}

function lockOf(kind: Kind, name: string): string {
  if (kind === "builder" || kind === "extensions") return "lock";
  // Images, packages and test images have one lock for each kernel or kind: their folders are named NAME-HASH.
  return `${name.replace(/\.partial$/, "").replace(/-[0-9a-f]{16}$/, "")}.lock`;
}
