/** What a machine's QEMU may not do on this computer, should its guest break out of the emulation. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * Seccomp, from QEMU's own lists: no other program, no scheduling of others, nothing obsolete. Its list against raised
 * privileges is left to `runAs`, since it also forbids giving them up; without another program there is none to raise them.
 */
export const sandbox = ["-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"];

/** User ids that nobody has: above those of people, services and the ranges of user namespaces (up to 2^31). */
const firstId = 2_130_000_000;
const ids = 10_000_000;

/**
 * Where the lab runs as root, each machine gets a user id of its own once it has opened its files: it is then neither root nor
 * any other machine's user. In a container whose user namespace has no such ids it stays what it is.
 */
export function runAs(
  machine: { readonly stack: string; readonly name: string },
  uid = process.getuid?.(),
  uidMap = readFileSync("/proc/self/uid_map", "utf8"),
): string[] {
  if (uid !== 0) return [];
  const id =
    firstId +
    (createHash("sha256").update(`${machine.stack}/${machine.name}`).digest().readUInt32BE(0) % ids);
  const isMapped = uidMap
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first <= id && id < first + count);
  return isMapped ? ["-runas", `${id}:${id}`] : [];
}
