/** Where the local target keeps things: everything under `.lab/` of the checkout, a folder a stack. */
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

/** Private key that logs in to every machine of a stack. */
export function loginKeyFile(stack: string): string {
  return join(stackFolder(stack), "login_key");
}

/** Settings for `ssh -F FILE MACHINE`. */
export function sshConfigFile(stack: string, machine: string): string {
  return join(machineFolder(stack, machine), "ssh_config");
}
