/**
 * `./lab down`: runs `pulumi destroy`, then removes what is still on this computer, then counts what is left. Each step runs even
 * if the previous one failed, so that a lost state file, passphrase or folder cannot keep a lab alive.
 */
import { existsSync, readdirSync } from "node:fs";
import { Command } from "commander";
import { quote } from "../../provisioning/shell.ts";
import { orphans, ownProcesses } from "../../stacks/local/processes.ts";
import { ownerOf } from "../../stacks/local/owner.ts";
import { stackFolder, stacksFolder } from "../../stacks/local/paths.ts";
import { removeStack } from "../../stacks/local/removeStack.ts";
import { sweep, type Leftover } from "../../stacks/local/sweep.ts";
import { cacheFolder, inLab } from "../../workshop/checkout.ts";
import { thisComputer } from "../../workshop/computer.ts";
import { removeRoot } from "../../workshop/debian/debian.ts";
import { decide, environment, PassphraseLost, situation } from "../environment.ts";
import { Problem } from "../problem.ts";
import { Pulumi, say } from "../pulumi.ts";
import { hasMoreThanLocal, localPart, recordedStacks, setAside, type LocalPart } from "../record.ts";

interface Options {
  readonly stack: string;
  readonly purge: boolean;
}

export const down = new Command("down")
  .option("-s, --stack <name>", "the stack", "local")
  .option("--purge", "also remove the stack's record, and the cache of images if nothing else uses it", false)
  .addHelpText(
    "after",
    `
Ends with the number of things that are left of the stack on this machine: processes, sockets, disks, files, mounts.
When it is not zero, they are named and the exit status is not zero either. It works without Pulumi's record too, when
that, its passphrase or all of .lab is lost.

Examples:
  ./lab down
  ./lab down --stack second
  ./lab down --purge          the next up bakes a new image`,
  )
  .action(async ({ stack, purge }: Options) => {
    const { pulumi, readable } = await open(stack);
    const names = await namesHere(pulumi);
    let status = readable ? await destroy(pulumi, names) : await withoutRecord(pulumi, names);
    if (pulumi.wasInterrupted()) {
      say(
        `interrupted: what is left of stack ${stack} was not checked; to continue, run: ./lab down --stack ${stack}`,
      );
      process.exitCode = status === 0 ? 1 : status;
      return;
    }
    const leftovers = (await Promise.all(names.map(sweep))).flat();
    process.stdout.write(report(pulumi.localName, leftovers));
    for (const { pid, what } of orphans())
      say(
        `not counted: process ${pid} belongs to a lab whose folder no longer exists; if it was yours: kill ${pid}  (${what.slice(0, 80)})`,
      );
    if (status === 0 && leftovers.length > 0) status = 1;
    if (purge && status === 0) {
      if (await pulumi.exists()) status = await pulumi.run("stack", "rm", "--yes");
      say(await purgeCache(cacheFolder, stacksFolder, process.env.DISGRAFS_CACHE !== undefined));
    }
    process.exitCode = status;
  });

/** The stack's Pulumi, and whether its record can be read with the existing passphrase. */
async function open(stack: string): Promise<{ pulumi: Pulumi; readable: boolean }> {
  try {
    return { pulumi: new Pulumi(await environment(), stack), readable: true };
  } catch (error) {
    if (!(error instanceof PassphraseLost)) throw error;
    say(error.message.split(". ")[0] ?? "");
    return { pulumi: new Pulumi(decide(await situation()), stack), readable: false };
  }
}

/** The stack's names on this computer: its current one, and the one at its last `up`. */
async function namesHere(pulumi: Pulumi): Promise<string[]> {
  const part = await pulumi.localPart();
  requireThisComputer(pulumi, part);
  const earlier =
    part && part.stack !== pulumi.localName && ownerOf(part.stack) === part.owner ? [part.stack] : [];
  return [pulumi.localName, ...earlier];
}

/** The part of a stack on another computer can be neither ended nor checked from here. */
function requireThisComputer({ stack, localName }: Pulumi, part: LocalPart | undefined): void {
  if (part?.computer === undefined || part.computer === thisComputer().computer) return;
  if (existsSync(stackFolder(localName))) return;
  throw new Problem(
    `the machines of stack "${stack}" are on the computer ${part.host ?? part.computer}, and this one has none of them: ` +
      `run ./lab down --stack ${stack} there. If that computer no longer exists: pulumi state delete --all --stack ${stack}`,
  );
}

/** Destroys what the record contains, then ends everything else on this computer. @returns an exit status */
async function destroy(pulumi: Pulumi, names: readonly string[]): Promise<number> {
  const record = await pulumi.record();
  if (record.is === "absent") {
    requireSomething(pulumi, names);
    say(
      `Pulumi knows no stack "${pulumi.stack}"; removing its parts on this computer. ` +
        `AWS was not checked for such a stack; to check it, run: ./lab sweep --aws --stack ${quote(pulumi.stack)}`,
    );
    await end(names);
    return 0;
  }
  if (record.is === "broken") {
    say(`Pulumi's record of stack ${pulumi.stack} cannot be read: ${record.file}`);
    return await withoutRecord(pulumi, names);
  }
  await pulumi.recover();
  const once = await pulumi.run("destroy", "--yes", "--skip-preview");
  if (pulumi.wasInterrupted()) return once;
  await end(names);
  if (once === 0) return 0;
  // Without machines, nothing can block the rest.
  say(
    `pulumi destroy ended with status ${once}; its parts on this computer were ended, and pulumi destroy is tried again`,
  );
  await pulumi.recover();
  const again = await pulumi.run("destroy", "--yes", "--skip-preview");
  if (again === 0 || pulumi.wasInterrupted()) return again;
  if (hasMoreThanLocal(record.resources) || !localPart(record.resources)) {
    say(`pulumi destroy ended with status ${again}; see above`);
    return again;
  }
  return await withoutRecord(pulumi, names);
}

/** Ends the part on this computer, and removes the unreadable record: the next `up` creates a new one. */
async function withoutRecord(pulumi: Pulumi, names: readonly string[]): Promise<number> {
  await end(names);
  const record = await pulumi.record();
  if (record.is === "absent") {
    requireSomething(pulumi, names);
    return 0;
  }
  if (record.is === "whole" && hasMoreThanLocal(record.resources)) {
    say(
      `the record of stack ${pulumi.stack} names resources on AWS, but cannot be used to remove them: ` +
        `./lab sweep --aws --stack ${quote(pulumi.stack)} finds them by their tags. The record is kept: ${record.file}`,
    );
    return 1;
  }
  if (pulumi.recordFolder === undefined) {
    say(`the record of stack ${pulumi.stack} cannot be read; it is kept, because it is in your own backend`);
    return 1;
  }
  say(`the record of stack ${pulumi.stack} was moved to ${setAside(record.file, inLab("lost"))}`);
  return 0;
}

async function end(names: readonly string[]): Promise<void> {
  for (const name of names) await removeStack(name);
}

/** Throws if the stack never existed, because "nothing is left" would then be misleading. */
function requireSomething({ stack, recordFolder }: Pulumi, names: readonly string[]): void {
  if (names.some((name) => existsSync(stackFolder(name)) || ownProcesses(name).length > 0)) return;
  const known = recordFolder === undefined ? [] : recordedStacks(recordFolder);
  throw new Problem(
    `there is no stack "${stack}": neither Pulumi nor this computer has anything of it; ` +
      (known.length > 0 ? `existing stacks: ${known.join(", ")}` : "there are no stacks"),
  );
}

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

/** One line for each leftover, and their number. */
export function report(stack: string, leftovers: readonly Leftover[]): string {
  const lines = leftovers.map(
    ({ kind, what, pid }) => `left: ${kind}${pid === undefined ? "" : ` ${pid}`}: ${what}`,
  );
  return [...lines, `${leftovers.length} left of stack ${stack}`].map((text) => `${text}\n`).join("");
}
