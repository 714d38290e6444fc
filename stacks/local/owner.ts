/**
 * Who owns a stack's folder. A stack's name is not enough: a stack can be renamed, and then another be made with its old
 * name. So the folder holds a random mark, each resource has it in its inputs, and none removes what bears another.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../../workshop/files.ts";
import { inLab } from "../../workshop/checkout.ts";
import { readState, writeState } from "../../workshop/state.ts";
import { stackFolder } from "./paths.ts";

const ownerFile = (stack: string): string => join(stackFolder(stack), "owner.json");

/** The mark of a stack's folder; undefined when there is none. */
export function ownerOf(stack: string): string | undefined {
  return (readState(ownerFile(stack)) as { owner?: string } | undefined)?.owner;
}

/** What the resource of the network knows of the last time: it is the first of a stack's to be made. */
export interface Claim {
  readonly stack: string;
  readonly owner: string;
}

/**
 * The owner's mark for a stack, which is made now when it is new. A stack that was renamed takes its folder along: its
 * machines run on, as nothing that they have open is known to them by that name.
 */
export function claim(stack: string, before: Claim | undefined): Claim {
  if (before && before.stack !== stack && ownerOf(before.stack) === before.owner)
    takeAlong(before.stack, stack);
  const owner = ownerOf(stack);
  if (owner !== undefined && owner === before?.owner) return { stack, owner };
  if (owner !== undefined) refuseOthers(stack, owner);
  const made = { stack, owner: before?.owner ?? randomUUID() };
  mkdirSync(stackFolder(stack), { recursive: true, mode: 0o700 });
  writeState(ownerFile(stack), made);
  return made;
}

function takeAlong(from: string, to: string): void {
  const target = stackFolder(to);
  if (existsSync(target)) {
    if (filesBelow(target).length > 0)
      throw new Error(
        `this stack was called ${from}, and the folder of its new name is in use: ${target}\n` +
          `give it another name (pulumi stack rename), or remove what is there: ./lab down --stack ${to}`,
      );
    rmSync(target, { recursive: true });
  }
  renameSync(stackFolder(from), target);
}

/** A folder that bears the mark of another stack of this checkout's state is that one's. */
function refuseOthers(stack: string, owner: string): void {
  const stacks = inLab("state", ".pulumi", "stacks");
  const files = existsSync(stacks) ? filesBelow(stacks) : [];
  const other = files.find(
    (file) =>
      file.endsWith(".json") &&
      !file.endsWith(`/${stack}.json`) &&
      readFileSync(file, "utf8").includes(owner),
  );
  if (other === undefined) return;
  const name = other.slice(other.lastIndexOf("/") + 1, -".json".length);
  throw new Error(
    `the machines in ${stackFolder(stack)} are those of stack ${name}, which had this name before; ` +
      `./lab up --stack ${name} takes them along`,
  );
}

/** Whether what a resource made may be removed: not when its stack's folder has become another's. */
export function mayRemove(stack: string, owner: string | undefined): boolean {
  const now = ownerOf(stack);
  return now === undefined || owner === undefined || now === owner;
}
