/** Removes a stack's machines and network from this machine without asking Pulumi, whose record may be lost. */
import { rm } from "node:fs/promises";
import { end } from "../../workshop/process.ts";
import { stackFolder } from "./paths.ts";
import { ownProcesses } from "./processes.ts";

/** Ends and removes all that a stack has here, as after `rm -r .lab/state`; nothing when there is nothing. */
export async function removeStack(stack: string): Promise<void> {
  // Their disks go with them, so a machine need not end in order.
  const ended = await Promise.all(
    ownProcesses(stack).map(async (each) => ({ ...each, gone: await end(each) })),
  );
  const stays = ended.find(({ gone }) => !gone);
  if (stays) throw new Error(`process ${stays.pid} of stack ${stack} does not end: ${stays.what}`);
  await rm(stackFolder(stack), { recursive: true, force: true });
}
