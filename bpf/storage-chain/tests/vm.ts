/** A VM with a data disk and everything that the tests of storage chains need. */
import { join } from "node:path";
import type { LocalKernel } from "../../../provisioning/kernels.ts";
import { quote } from "../../../provisioning/shell.ts";
import { startTestVm, type TestVm, type TestVmOptions } from "../../../tests/support/vm.ts";
import { buildExtensions } from "../../../workshop/builder/builder.ts";
import { checkout } from "../../../workshop/checkout.ts";

/** Size of the data disk. Some tests use fixed positions on it. */
export const dataDiskMiB = 256;

/** Titles of the tests that together run within two minutes; storage-chain.long.test.ts runs all. */
export const short =
  "^(a device that is|a node across|a damaged|a program that|a program cannot|a run that|a suspension|removal|udev|the kernel)";

export const say = (line: string): void => void process.stderr.write(`${line}\n`);

export async function vmWithChains(
  name: string,
  kernel: LocalKernel,
  cpus: number,
  clock: TestVmOptions["clock"] = "wall",
): Promise<TestVm> {
  const build = await buildExtensions(say);
  const vm = await startTestVm({ name, kernel, cpus, clock, memoryMiB: 1200, dataDiskMiB });
  await pushTests(vm, build, kernel);
  return vm;
}

/** Copies to a machine what storage_chain.py needs. */
export async function pushTests(vm: TestVm, build: string, kernel: LocalKernel): Promise<void> {
  await vm.push(join(build, kernel, "storage-chain.build"), "/opt");
  await vm.check("mv /opt/storage-chain.build /opt/schain");
  await vm.push(join(checkout, "bpf/storage-chain/tests"), "/opt/schain");
  await vm.push(join(checkout, "bpf/storage-chain/python"), "/opt/schain");
}

/** Runs the tests of storage_chain.py whose titles match; returns TAP. The disk must be blank or have an image. */
export async function runTests(vm: TestVm, pattern: string, seconds: number, count = 25): Promise<string> {
  const words = [
    `SCHAIN_COUNT=${count}`,
    "python3 /opt/schain/tests/storage_chain.py /opt/schain",
    quote(pattern),
  ];
  const { stdout, stderr } = await vm.run(words.join(" "), seconds);
  say(`${stdout}\n${stderr.slice(-2000)}`);
  return stdout;
}
