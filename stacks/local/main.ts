/**
 * The program that the local target's resources run: `main.ts network|image|extensions|key|vm ensure|remove`. What to do comes as
 * JSON on standard input, since some of it is secret; the answer is one JSON document on standard output, and progress
 * goes to standard error.
 */
import { chooseAccelerator } from "./accelerator.ts";
import { buildExtensions } from "./builder.ts";
import { ensureImage } from "./image.ts";
import { ensureKeyPair, removeKeyPair } from "./keyPair.ts";
import { startNetwork, stopNetwork } from "./network.ts";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { removeVm, startVm, type VmSpec } from "./vm.ts";

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const actions: Readonly<Record<string, (input: never) => Promise<unknown>>> = {
  "network ensure": async ({ stack }: { stack: string }) => ({
    revision: (await startNetwork(stack)).revision,
  }),
  "network remove": ({ stack }: { stack: string }) => stopNetwork(stack),
  "image ensure": async ({ kernel }: { kernel: LocalKernel }) => {
    const image = await ensureImage(kernel, say);
    await chooseAccelerator(image, say);
    return { release: image.release };
  },
  "extensions ensure": async () => ({ folder: await buildExtensions(say) }),
  "key ensure": ({ file }: { file: string }) => ensureKeyPair(file),
  "key remove": ({ file }: { file: string }) => removeKeyPair(file),
  "vm ensure": async (spec: VmSpec) => {
    const { id, boot, port, accelerator } = await startVm(spec, say);
    return { id, boot, port, accelerator };
  },
  "vm remove": ({ stack, name }: VmSpec) => removeVm(stack, name),
};

async function main(): Promise<void> {
  const name = process.argv.slice(2).join(" ");
  const action = actions[name];
  if (!action) throw new Error(`no action "${name}"; there are: ${Object.keys(actions).join(", ")}`);
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
  const answer = await action(JSON.parse(text) as never);
  if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer)}\n`);
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
