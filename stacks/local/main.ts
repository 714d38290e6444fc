/** The commands that the resources of a local stack run: `main.ts network|key|vm ensure|remove`. */
import { runAction, say } from "../../workshop/action.ts";
import { inCheckout } from "../../workshop/checkout.ts";
import { thisComputer } from "../../workshop/computer.ts";
import { ensureKeyPair, removeKeyPair } from "../../workshop/keyPair.ts";
import { startNetwork, stopNetwork } from "./network.ts";
import { claim, mayRemove, type Claim } from "./owner.ts";
import { removeVm, startVm, type VmSpec } from "./vm.ts";

interface Key {
  readonly stack: string;
  readonly owner: string;
  /** Relative to the checkout. */
  readonly file: string;
}

/** The network resource's previous output, if any. */
function before(): Claim | undefined {
  const text = process.env.PULUMI_COMMAND_STDOUT;
  const answer = text ? (JSON.parse(text) as Partial<Claim>) : {};
  return answer.stack && answer.owner ? { stack: answer.stack, owner: answer.owner } : undefined;
}

function isOthers(stack: string, owner: string | undefined): boolean {
  if (mayRemove(stack, owner)) return false;
  say(`left alone: what is called ${stack} here now belongs to another stack`);
  return true;
}

await runAction({
  "network ensure": async ({ stack, revision }: { stack: string; revision: number }) => {
    const claimed = claim(stack, before());
    return { ...claimed, ...thisComputer(), revision: (await startNetwork(stack, revision)).revision };
  },
  "network remove": async ({ stack }: { stack: string }) => {
    if (!isOthers(stack, before()?.owner)) await stopNetwork(stack);
  },
  "key ensure": ({ file }: Key) => ensureKeyPair(inCheckout(file)),
  "key remove": async ({ stack, owner, file }: Key) => {
    if (!isOthers(stack, owner)) await removeKeyPair(inCheckout(file));
  },
  "vm ensure": async (spec: VmSpec) => {
    const { id, boot, port, accelerator } = await startVm(spec, say);
    return { id, boot, port, accelerator };
  },
  "vm remove": async ({ stack, name, owner }: VmSpec) => {
    if (!isOthers(stack, owner)) await removeVm(stack, name);
  },
});
