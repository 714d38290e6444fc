/**
 * Readers that have stopped, of a stream and of a real Redis, with 1 GiB for each, on each kernel of DISGRAFS_KERNELS.
 * bpf/extensions.vm.test.ts does the same with less.
 */
import { join } from "node:path";
import { putExtension } from "../../tests/support/extensions.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { failures } from "../../tests/support/tap.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";
import { buildExtensions } from "../../workshop/builder/builder.ts";
import { checkout } from "../../workshop/checkout.ts";

const minutes = (count: number): number => count * 60_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

describe.each(kernelsAskedFor())("Redis connections on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    const build = await buildExtensions(say);
    // Redis holds the whole reply.
    vm = await startTestVm({ name: "sockmap", kernel, memoryMiB: 2560 });
    await putExtension(vm, kernel, "redis-sockmap", build);
    for (const file of ["redis-sockmap/vm.sh", "redis-sockmap/vm.py", "common/tap.sh"])
      await vm.push(join(checkout, "bpf", file), "/opt/test");
    await vm.check("systemctl disable -q --now redis-server || true");
  }, minutes(30));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "make the sender of 1 GiB wait for a reader that has stopped, and lose nothing",
    async () => {
      const { stdout, stderr } = await vm.run("STOPPED_MIB=1024 bash /opt/test/vm.sh", 3000);
      say(stdout.replaceAll(/^/gm, `${kernel}: `));
      const failed = failures(stdout);
      if (failed.length > 0) say(`${stderr}\n${vm.console()}`);
      expect(failed).toEqual([]);
    },
    minutes(52),
  );
});
