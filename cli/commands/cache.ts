/** `./lab cache`: lists the cache of images and builds with reasons and ages, and removes what is not needed. */
import { Command, Option } from "commander";
import { localKernelNames, type LocalKernel } from "../../provisioning/kernels.ts";
import type { Entry } from "../../workshop/cache/cache.ts";
import type { Update } from "../../workshop/image/updates.ts";
import { say } from "../pulumi.ts";
import { table } from "../table.ts";

interface Options {
  readonly prune: boolean;
  readonly updates: boolean;
  readonly renew?: LocalKernel;
}

export const cache = new Command("cache")
  .addOption(
    new Option("--prune", "remove entries that are not needed and were not used in the last hour").conflicts(
      "renew",
    ),
  )
  .option("--updates", "ask Debian's archive which updates the images lack (downloads about 10 MB)", false)
  .addOption(
    new Option("--renew <kernel>", "let the next up bake a new image for this kernel").choices(
      localKernelNames,
    ),
  )
  .addHelpText(
    "after",
    `
An image, the builder or a build is needed if this checkout would use it now, if another checkout that shares the cache
(DISGRAFS_CACHE) used it last, if it is the base of a machine's disk, or if a process reads it.

An image is baked once and kept, and is not updated automatically. --renew replaces it, and with it the machines, at the
next up; all checkouts that share the cache follow.

Examples:
  ./lab cache
  ./lab cache --prune
  ./lab cache --updates
  ./lab cache --renew debian-13`,
  )
  .action(async ({ prune: remove, updates, renew }: Options) => {
    if (renew) {
      const { renewImage } = await import("../../workshop/image/image.ts");
      renewImage(renew, new Date());
      process.stdout.write(
        `the next ./lab up of a stack with ${renew} bakes a new image and replaces the machines\n`,
      );
      return;
    }
    const { cacheEntries, prune } = await import("../../workshop/cache/cache.ts");
    if (remove) {
      const removed = await prune(say);
      for (const { kind, name } of removed) process.stdout.write(`removed ${kind}/${name}\n`);
      process.stdout.write(`${gib(removed)} GiB freed\n`);
      return;
    }
    const entries = await cacheEntries();
    process.stdout.write(cacheReport(entries, new Date()));
    if (!updates) return;
    const { updatesOf } = await import("../../workshop/image/updates.ts");
    for (const { kind, name, folder } of entries)
      if (kind === "images") process.stdout.write(updatesReport(name, await updatesOf(folder)));
  });

/** A table of entries, with totals. */
export function cacheReport(entries: readonly Entry[], now: Date): string {
  const rows = entries.map((entry) => [
    `${entry.kind}/${entry.name}`,
    gib([entry]),
    `${days(entry.made, now)} d`,
    entry.neededBy ?? "-",
  ]);
  const unneeded = entries.filter(({ neededBy }) => neededBy === undefined);
  const images = entries.filter(({ kind, neededBy }) => kind === "images" && neededBy !== undefined);
  const oldest = Math.max(0, ...images.map(({ made }) => days(made, now)));
  return (
    table([["ENTRY", "GIB", "AGE", "NEEDED BY"], ...rows]) +
    `${gib(entries)} GiB, of which ${gib(unneeded)} are not needed\n` +
    (oldest >= 30 ? `an image is ${oldest} days old; see what it misses: ./lab cache --updates\n` : "")
  );
}

/** The updates that an image lacks, and how to get them. */
export function updatesReport(name: string, updates: readonly Update[] | undefined): string {
  const kernel = localKernelNames.find((each) => name.startsWith(`${each}-`));
  const renew = `./lab cache --renew ${kernel ?? "KERNEL"}`;
  if (updates === undefined)
    return `images/${name}: baked before the lab kept lists of packages; bake a new one: ${renew}\n`;
  const security = updates.filter((update) => update.security);
  if (updates.length === 0) return `images/${name}: Debian has nothing newer\n`;
  return [
    `images/${name}: Debian has ${updates.length} newer packages, ${security.length} of them for security`,
    ...security.map((update) => `  ${update.name} ${update.installed} -> ${update.available}`),
    `  get them: ${renew}`,
    "",
  ].join("\n");
}

function days(made: Date, now: Date): number {
  return Math.floor((now.getTime() - made.getTime()) / 86_400_000);
}

function gib(entries: readonly Entry[]): string {
  return (entries.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 30).toFixed(2);
}
