/** Installs, loads and removes an extension on a test's machine in the same way as the lab. */
import { join } from "node:path";
import type { Surroundings } from "../../bpf/extension.ts";
import { parseVerdict, releasePattern, type Verdict } from "../../bpf/pipeline/extensionOnNode.ts";
import { extensions, type ExtensionName } from "../../bpf/table.ts";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { checkout } from "../../workshop/checkout.ts";
import { nodeScript } from "./nodeScript.ts";
import type { TestVm } from "./vm.ts";

export const surroundings: Surroundings = {
  mountPoint: "/mnt/jfs",
  meta: "redis://127.0.0.1:6379/0",
  passwordFile: "/etc/disgrafs/redis-password",
  privateAddress: "10.0.0.1",
};

/** An extension's default options for its loader. */
export function defaultOptions(name: ExtensionName): string[] {
  const facts = extensions[name];
  return [...facts.options(facts.settings.parse({}), surroundings)] as string[];
}

/** A script of the pipeline as the lab calls it, for a test that runs it in a VM. */
export function pipelineScript(name: "load" | "remove", args: readonly string[]): string {
  return nodeScript(`../bpf/pipeline/${name}.sh`, args);
}

/** Copies an extension's files to the machine, like RemoteFiles. */
export async function putExtension(
  vm: TestVm,
  kernel: LocalKernel,
  name: ExtensionName,
  build: string,
): Promise<void> {
  const folder = `/opt/disgrafs/extensions/${name}`;
  await vm.check(`rm -rf ${folder}`);
  await vm.push(join(build, kernel, name), folder);
  await vm.push(join(checkout, "bpf/pipeline/node"), folder);
  await vm.push(join(checkout, "bpf", name, "probe.sh"), folder);
  await vm.check(`mv ${folder}/${name} ${folder}/bin && mv ${folder}/node ${folder}/scripts
    chmod -R a+x ${folder}/bin ${folder}/scripts`);
}

/** Calls load.sh like ExtensionOnNode. */
export async function loadExtension(
  vm: TestVm,
  kernel: LocalKernel,
  name: ExtensionName,
  options: readonly string[],
  required: boolean,
): Promise<Verdict> {
  const needs = extensions[name].needs.join(",");
  const args = [name, releasePattern([kernel]), needs, required ? "yes" : "no", "yes", ...options];
  return parseVerdict(await vm.check(pipelineScript("load", args), 400));
}

export function removeExtension(vm: TestVm, name: ExtensionName): Promise<string> {
  return vm.check(pipelineScript("remove", [name]));
}
