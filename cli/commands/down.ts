/** `./lab down`: `pulumi destroy`, then a look at what is left, whatever became of the first. */
import { existsSync, readdirSync } from "node:fs";
import { Command } from "commander";
import { removeRoot } from "../../stacks/local/debian.ts";
import { cacheFolder, stacksFolder } from "../../stacks/local/paths.ts";
import { removeStack } from "../../stacks/local/removeStack.ts";
import { sweep, type Leftover } from "../../stacks/local/sweep.ts";
import { Pulumi, say } from "../pulumi.ts";

interface Options {
  readonly stack: string;
  readonly purge: boolean;
}

export const down = new Command("down")
  .description("take the cluster down, and show that nothing is left")
  .option("-s, --stack <name>", "the stack", "local")
  .option("--purge", "also remove the stack's record, and the cache of images if nothing else uses it", false)
  .addHelpText(
    "after",
    `
Ends with the number of things that are left of the stack on this machine: processes, sockets, disks, files, mounts.
When it is not zero, they are named and the exit status is not zero either.

Examples:
  ./lab down
  ./lab down --stack second
  ./lab down --purge          the next up bakes the image anew`,
  )
  .action(async ({ stack, purge }: Options) => {
    const pulumi = await Pulumi.forStack(stack);
    const name = pulumi.localName;
    let status = 0;
    if (await pulumi.exists()) {
      await pulumi.recover();
      status = await pulumi.run("destroy", "--yes", "--skip-preview");
      if (status !== 0) say(`pulumi destroy ended with status ${status}; see above`);
    } else {
      say(`Pulumi knows no stack "${stack}"; removing what this machine has of it`);
      await removeStack(name);
    }
    const leftovers = await sweep(name);
    process.stdout.write(report(name, leftovers));
    if (status === 0 && leftovers.length > 0) status = 1;
    if (purge && status === 0) {
      if (await pulumi.exists()) status = await pulumi.run("stack", "rm", "--yes");
      say(await purgeCache(cacheFolder, stacksFolder, process.env.DISGRAFS_CACHE !== undefined));
    }
    process.exitCode = status;
  });

/**
 * Machines' disks are overlays of the cached images, so images that another stack or checkout may use are kept.
 * @returns what was done, or why not
 */
export async function purgeCache(cache: string, stacks: string, shared: boolean): Promise<string> {
  const others = existsSync(stacks) ? readdirSync(stacks) : [];
  if (others.length > 0)
    return `kept the cache of images: ${others.join(", ")} may use it; take that down with --purge too`;
  if (shared)
    return `kept ${cache}: DISGRAFS_CACHE says that it is shared; remove it by hand when no lab uses it`;
  await removeRoot(cache);
  return "removed the cache of images";
}

/** One line for each thing that is left, and the count. */
export function report(stack: string, leftovers: readonly Leftover[]): string {
  const lines = leftovers.map(
    ({ kind, what, pid }) => `left: ${kind}${pid === undefined ? "" : ` ${pid}`}: ${what}`,
  );
  return [...lines, `${leftovers.length} left of stack ${stack}`].map((text) => `${text}\n`).join("");
}
