/** Confines a machine's QEMU on this computer, in case its guest breaks out of the emulation. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * QEMU's seccomp lists: no other programs, no scheduling of other processes, no obsolete calls. The list against raised
 * privileges is not used, because it also forbids dropping them (`runAs`), and without other programs nothing can raise them.
 */
export const sandbox = ["-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"];

/** Unused user ids: above those of people, services and the ranges of user namespaces (up to 2^31). */
const firstId = 2_130_000_000;
const ids = 10_000_000;

/**
 * If the lab runs as root, each machine changes to its own user id after it has opened its files, different from root and
 * from every other machine. In a container whose user namespace lacks such ids, it stays root.
 * @param help QEMU's help: QEMU 9.1 has a new option for this, and QEMU 10 no longer has the old one
 */
export function runAs(
  machine: { readonly stack: string; readonly name: string },
  help: string,
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
  if (!isMapped) return [];
  return /^-run-with .*\buser=/m.test(help) ? ["-run-with", `user=${id}:${id}`] : ["-runas", `${id}:${id}`];
}
