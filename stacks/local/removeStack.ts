/** Removes a stack's machines and network from this machine without asking Pulumi, whose record may be lost. */
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { stopNetwork } from "./network.ts";
import { machineFolder, stackFolder } from "./paths.ts";
import { removeVm } from "./vm.ts";

/** Stops and removes all that a stack has here, as after `rm -r .lab/state`; nothing when there is nothing. */
export async function removeStack(stack: string): Promise<void> {
  const machines = machineFolder(stack, "");
  const names = existsSync(machines) ? readdirSync(machines, { withFileTypes: true }) : [];
  for (const entry of names.filter((each) => each.isDirectory())) await removeVm(stack, entry.name);
  await stopNetwork(stack);
  await rm(stackFolder(stack), { recursive: true, force: true });
}
