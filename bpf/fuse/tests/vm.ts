/** A VM with the FUSE extension's files and tests, for its long tests. */
import { join } from "node:path";
import type { LocalKernel } from "../../../provisioning/kernels.ts";
import { startTestVm, type TestVm, type TestVmOptions } from "../../../tests/support/vm.ts";
import { buildExtensions } from "../../../workshop/builder/builder.ts";
import { checkout } from "../../../workshop/checkout.ts";

/** On the machine: contains fuse.build/ (built files) and tests/. */
export const folder = "/opt/efuse";
export const built = `${folder}/fuse.build`;

export const say = (line: string): void => void process.stderr.write(`${line}\n`);

export async function vmWithExtension(
  name: string,
  kernel: LocalKernel,
  cpus: number,
  clock: TestVmOptions["clock"] = "wall",
): Promise<TestVm> {
  const build = await buildExtensions(say);
  const vm = await startTestVm({ name, kernel, cpus, clock, memoryMiB: 1300 });
  await vm.push(join(build, kernel, "fuse.build"), folder);
  await vm.push(join(checkout, "bpf/fuse/tests"), folder);
  // The tests start their own Redis.
  await vm.check("modprobe fuse; systemctl stop redis-server 2>/dev/null || true");
  return vm;
}
