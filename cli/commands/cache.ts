/** `./lab cache`: what the cache of images and builds holds and why, and the removal of the rest. */
import { Command } from "commander";
import type { Entry } from "../../stacks/local/cache.ts";
import { say } from "../pulumi.ts";
import { table } from "./status.ts";

export const cache = new Command("cache")
  .description("show what the cache holds and why, and remove the rest")
  .option("--prune", "remove what nothing needs and nobody used in the last hour", false)
  .addHelpText(
    "after",
    `
An image, the builder or a build is needed when this checkout would use it now, when another checkout that shares the
cache (DISGRAFS_CACHE) used it last, when a machine's disk lies on it, or when a process reads it.

Examples:
  ./lab cache
  ./lab cache --prune`,
  )
  .action(async ({ prune: remove }: { prune: boolean }) => {
    const { cacheEntries, prune } = await import("../../stacks/local/cache.ts");
    if (!remove) {
      process.stdout.write(cacheReport(await cacheEntries()));
      return;
    }
    const removed = await prune(say);
    for (const { kind, name } of removed) process.stdout.write(`removed ${kind}/${name}\n`);
    process.stdout.write(`${gib(removed)} GiB freed\n`);
  });

/** A table of entries, and the sums. */
export function cacheReport(entries: readonly Entry[]): string {
  const rows = entries.map((entry) => [`${entry.kind}/${entry.name}`, gib([entry]), entry.neededBy ?? "-"]);
  const unneeded = entries.filter(({ neededBy }) => neededBy === undefined);
  return (
    table([["ENTRY", "GIB", "NEEDED BY"], ...rows]) +
    `${gib(entries)} GiB, of which ${gib(unneeded)} are not needed\n`
  );
}

function gib(entries: readonly Entry[]): string {
  return (entries.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 30).toFixed(2);
}
