/** Removes a stack's machines and network from this computer without Pulumi, whose state may be lost. */
import { rm } from "node:fs/promises";
import { end } from "../../workshop/process.ts";
import { stackFolder } from "./paths.ts";
import { ownProcesses } from "./processes.ts";

/** Ends and removes everything of a stack on this computer, for example after `rm -r .lab/state`. */
export async function removeStack(stack: string): Promise<void> {
  // The disks are deleted too, so no orderly shutdown is needed.
  const ended = await Promise.all(
    ownProcesses(stack).map(async (each) => ({ ...each, gone: await end(each) })),
  );
  const stays = ended.find(({ gone }) => !gone);
  if (stays) throw new Error(`process ${stays.pid} of stack ${stack} does not end: ${stays.what}`);
  await rm(stackFolder(stack), { recursive: true, force: true });
}
