/** Paths of the local target's files: one folder for each stack under `.lab/stacks`. */
import { join } from "node:path";
import { inLab } from "../../workshop/checkout.ts";

/** All stacks' folders. */
export const stacksFolder = inLab("stacks");

/** Folder of one stack, removed with it: keys, disks, sockets, logs. */
export function stackFolder(stack: string): string {
  return join(stacksFolder, stack);
}

export function machineFolder(stack: string, machine: string): string {
  return join(stackFolder(stack), "machines", machine);
}

export function networkFolder(stack: string): string {
  return join(stackFolder(stack), "network");
}

/** Private key for logging in to every machine of a stack. */
export function loginKeyFile(stack: string): string {
  return join(stackFolder(stack), "login_key");
}

/** Settings for `ssh -F FILE MACHINE`. */
export function sshConfigFile(stack: string, machine: string): string {
  return join(machineFolder(stack, machine), "ssh_config");
}
