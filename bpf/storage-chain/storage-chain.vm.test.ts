/**
 * Storage chains in one VM, as in a lab: loaded and verified on a blank disk, replaced and removed during lookups; then the
 * checks that run within two minutes. storage-chain.long.test.ts runs all checks. DISGRAFS_KERNELS: as in
 * bpf/extensions.vm.test.ts.
 */
import { buildExtensions } from "../../workshop/builder/builder.ts";
import {
  defaultOptions,
  loadExtension,
  putExtension,
  removeExtension,
} from "../../tests/support/extensions.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { failures } from "../../tests/support/tap.ts";
import type { TestVm } from "../../tests/support/vm.ts";
import { runTests, say, short, vmWithChains } from "./tests/vm.ts";

const minutes = (count: number): number => count * 60_000;
const name = "storage-chain";

describe.each(kernelsAskedFor())("storage chains on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    // One CPU: under QEMU's emulation, patching code while another CPU runs it can crash (docs/fuse-extension.md).
    vm = await vmWithChains("chain", kernel, 1);
    await putExtension(vm, kernel, name, await buildExtensions(say));
  }, minutes(20));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "are loaded once their programs have run for each node, continue by reads during removal, and leave nothing behind",
    async () => {
      const options = defaultOptions(name);
      const left = `ls -d /sys/module/storage_chain /run/disgrafs/${name} /sys/fs/bpf/disgrafs \\
        /run/udev/rules.d/59-disgrafs-storage-chain.rules /sys/block/dm-* 2>/dev/null || true`;
      // The root disk is refused, even if it is named explicitly.
      expect(await loadExtension(vm, kernel, name, ["--device", "/dev/nvme0n1"], false)).toMatchObject({
        supported: false,
        reason: expect.stringContaining("/dev/nvme0n1: it is mounted, or in use") as string,
      });
      expect(await vm.check(left)).toBe("");
      // On a blank disk, the probe builds an index of /etc, and looks up its keys.
      const first = await loadExtension(vm, kernel, name, options, true);
      if (!first.supported) throw new Error(first.reason);
      expect(first.how).toMatch(kernel === "debian-12" ? /^wq, tracepoint on / : /^wq, struct_ops on /);
      const runs = first.programs.map((program) => [program.name, program.runs]);
      const programs = ["schain_btree", "schain_hash", "schain_posting"];
      expect(runs.map(([program]) => program).sort()).toEqual(programs);
      expect(first.facts).toMatchObject({
        mode: "wq",
        reads: runs.reduce((sum, [, n]) => sum + Number(n), 0),
      });
      const schain = `/opt/disgrafs/extensions/${name}/bin/schain`;
      expect(JSON.parse(await vm.check(`${schain} lookup --via chain hostname`))).toMatchObject({
        fellBack: false,
        inode: Number(await vm.check("stat -c %i /etc/hostname")),
      });
      // Replaced and removed during lookups, which continue by reads.
      const disk = await vm.check(`readlink /run/disgrafs/${name}/device`);
      await vm.check(`systemd-run -q --unit=looking ${schain} bench --via auto --index facts --seconds 3600 \\
        --image ${disk}`);
      const again = await loadExtension(vm, kernel, name, options, true);
      if (!again.supported) throw new Error(again.reason);
      await removeExtension(vm, name);
      expect(await vm.check("systemctl is-active looking")).toBe("active");
      await vm.check("systemctl stop looking");
      expect(await vm.check(left)).toBe("");
      // The loader has been removed from the machine, so use bpftool.
      expect(await vm.check("bpftool -j prog show | jq -r '.[].name // empty' | grep ^schain_ || true")).toBe(
        "",
      );
      // The next test builds its own image on a blank disk.
      await vm.check(`dd if=/dev/zero of=${disk} bs=1M count=1 conv=fsync status=none`);
    },
    minutes(15),
  );

  it(
    "keep their safety checks, and each check fails in its control",
    async () => {
      const found = failures(await runTests(vm, short, 900));
      if (found.length > 0) say(vm.console());
      expect(found).toEqual([]);
    },
    minutes(16),
  );
});
