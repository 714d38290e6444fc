/**
 * Ownership of a stack's folder. The stack's name does not identify it: a stack can be renamed, and another created with the
 * old name. So the folder holds a random mark, which is also an input of each resource, and a resource never removes things
 * with a different mark.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../../workshop/files.ts";
import { inLab } from "../../workshop/checkout.ts";
import { readState, writeState } from "../../workshop/state.ts";
import { stackFolder } from "./paths.ts";

const ownerFile = (stack: string): string => join(stackFolder(stack), "owner.json");

/** The mark of a stack's folder; undefined if there is none. */
export function ownerOf(stack: string): string | undefined {
  return (readState(ownerFile(stack)) as { owner?: string } | undefined)?.owner;
}

/** Previous output of the network resource, which is the first resource of a stack. */
export interface Claim {
  readonly stack: string;
  readonly owner: string;
}

/**
 * The owner's mark of a stack, created if the stack is new. If the stack was renamed, its folder is renamed too. Its machines
 * keep running, because they do not use the folder's path.
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
        `this stack was renamed from ${from}, but the folder for its new name is in use: ${target}\n` +
          `choose another name (pulumi stack rename), or remove the lab there: ./lab down --stack ${to}`,
      );
    rmSync(target, { recursive: true });
  }
  renameSync(stackFolder(from), target);
}

/** Refuses a folder that has the mark of another stack in this checkout's state. */
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
    `the machines in ${stackFolder(stack)} belong to stack ${name}, which had this name before; ` +
      `to move them, run: ./lab up --stack ${name}`,
  );
}

/** Whether a resource may remove what it created: not if its stack's folder now belongs to another stack. */
export function mayRemove(stack: string, owner: string | undefined): boolean {
  const now = ownerOf(stack);
  return now === undefined || owner === undefined || now === owner;
}
