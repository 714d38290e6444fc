/** Where the local target keeps things: everything under `.lab/` of the checkout, a folder a stack. */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const checkout = fileURLToPath(new URL("../../", import.meta.url));
const lab = join(checkout, ".lab");

/** Shared by all stacks: images, wheels, the accelerator's verdict. Several checkouts can share one by DISGRAFS_CACHE. */
export const cacheFolder = process.env.DISGRAFS_CACHE ?? join(lab, "cache");

/** What belongs to one stack and goes away with it: keys, disks, sockets, logs. */
export function stackFolder(stack: string): string {
  return join(lab, "stacks", stack);
}

/** All stacks' folders. */
export const stacksFolder = join(lab, "stacks");

export function machineFolder(stack: string, machine: string): string {
  return join(stackFolder(stack), "machines", machine);
}

export function networkFolder(stack: string): string {
  return join(stackFolder(stack), "network");
}

/**
 * Folder of the private network's sockets. A unix socket's path holds 107 bytes and vde_switch makes it absolute, so a
 * deep checkout or a long stack name must not be part of it.
 */
export function switchFolder(stack: string): string {
  const hash = createHash("sha256").update(stackFolder(stack)).digest("hex").slice(0, 16);
  return join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `disgrafs-${hash}`);
}

/** Private key that logs in to every machine of a stack. */
export function loginKeyFile(stack: string): string {
  return join(stackFolder(stack), "login_key");
}

/** Settings for `ssh -F FILE MACHINE`. */
export function sshConfigFile(stack: string, machine: string): string {
  return join(machineFolder(stack, machine), "ssh_config");
}
