/**
 * Storage chains in one VM with a second disk: every safety check, with and without the fault that disables it
 * (tests/storage_chain.py), and separately the check without which the kernel crashes. A shorter version, and loading as in a
 * lab, are in storage-chain.vm.test.ts. DISGRAFS_KERNELS: as there. SCHAIN_STRESS_SECONDS: duration of each mode's stress
 * test, 5 by default.
 */
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { failures } from "../../tests/support/tap.ts";
import { runTests, vmWithChains } from "./tests/vm.ts";
import type { TestVm } from "../../tests/support/vm.ts";

const minutes = (count: number): number => count * 60_000;

describe.each(kernelsAskedFor())("storage chains on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    vm = await vmWithChains("chain", kernel, 2);
  }, minutes(30));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "give the same results as user space, and every safety check holds and fails in its control",
    async () => {
      expect(failures(await runTests(vm, "", 2700))).toEqual([]);
    },
    minutes(46),
  );

  it(
    "would crash the kernel if bi_next were not reset after a merge",
    async () => {
      // The machine crashes here, and is not needed afterwards. (A panic before, at a boot without the right root disk, is no Oops.)
      await vm.run("timeout 100 python3 /opt/schain/tests/control.py /opt/schain", 120);
      expect(vm.console()).toMatch(/kernel BUG at|Oops:|make_dead/);
    },
    minutes(6),
  );
});
