/**
 * The extensions in one VM for each kernel in DISGRAFS_KERNELS ("all" or a comma-separated list; default: the default kernel).
 * Covers installation, verification and removal, each extension's own test (vm.sh, TAP), and the state after a reboot.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseVerdict, type Verdict } from "./pipeline/extensionOnNode.ts";
import type { ExtensionName } from "./table.ts";
import { buildExtensions } from "../workshop/builder/builder.ts";
import { checkout } from "../workshop/checkout.ts";
import {
  defaultOptions,
  loadExtension,
  pipelineScript,
  putExtension,
  removeExtension,
} from "../tests/support/extensions.ts";
import { kernelsAskedFor } from "../tests/support/kernels.ts";
import { failures } from "../tests/support/tap.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";

const tested = ["fuse-latency", "packet-dma", "redis-sockmap"] as const satisfies ExtensionName[];
const minutes = (count: number): number => count * 60_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

describe.each(kernelsAskedFor())("on %s", (kernel) => {
  let vm: TestVm;

  const push = (name: ExtensionName, build: string): Promise<void> => putExtension(vm, kernel, name, build);
  const load = (name: ExtensionName, options: readonly string[], required = false): Promise<Verdict> =>
    loadExtension(vm, kernel, name, options, required);
  const remove = (name: ExtensionName): Promise<string> => removeExtension(vm, name);
  const inKernel = async (name: ExtensionName): Promise<number> => {
    const status = await vm.check(`/opt/disgrafs/extensions/${name}/bin/${name} --status`);
    return (JSON.parse(status) as { programs: unknown[] }).programs.length;
  };
  /** Waits, because the kernel frees programs some time after their last use. */
  const isGoneFromKernel = async (name: ExtensionName): Promise<boolean> => {
    const deadline = Date.now() + minutes(2);
    while ((await inKernel(name)) > 0) {
      if (Date.now() > deadline) return false;
      await sleep(200);
    }
    return true;
  };

  beforeAll(async () => {
    const build = await buildExtensions(say);
    vm = await startTestVm({ name: "extensions", kernel });
    for (const name of tested) await push(name, build);
    const tests = "/opt/disgrafs/tests";
    for (const name of tested) await vm.push(join(checkout, "bpf", name, "vm.sh"), `${tests}/${name}`);
    await vm.push(join(checkout, "bpf/redis-sockmap/vm.py"), `${tests}/redis-sockmap`);
    for (const file of ["same_packets.py", "queues.py", "pair.sh"])
      await vm.push(join(checkout, "bpf/packet-dma", file), `${tests}/packet-dma`);
    await vm.push(join(checkout, "bpf/common/tap.sh"), tests);
    await vm.push(join(build, "test-tools"), tests);
    await vm.check(`cd ${tests} && for name in ${tested.join(" ")}; do cp tap.sh test-tools/* $name/; done
      chmod -R a+x ${tests} /opt/disgrafs/extensions/*/bin /opt/disgrafs/extensions/*/scripts
      systemctl disable -q --now redis-server || true`);
  }, minutes(20));

  afterAll(async () => {
    // Undefined if the VM did not start, which was already reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "loads fuse-latency only if a FUSE mount proves it, replaces it, and unloads it when its loader is killed",
    async () => {
      const name = "fuse-latency";
      const unit = `disgrafs-extension@${name}`;
      // Without a mount there is no proof, and the extension is unloaded again.
      expect(await load(name, [])).toEqual({
        supported: false,
        reason: "loaded, but not proven: no FUSE mount to probe: mount JuiceFS first",
        needed: expect.any(String) as string,
      });
      expect(await isGoneFromKernel(name)).toBe(true);

      await vm.check(`mkdir -p /mnt/test
        systemd-run -q --unit=testfs /opt/disgrafs/tests/test-tools/testfs /mnt/test /run/testfs.json
        for try in $(seq 300); do mountpoint -q /mnt/test && break; sleep 0.2; done; mountpoint /mnt/test`);
      const first = await load(name, defaultOptions(name), true);
      if (!first.supported) throw new Error(first.reason);
      expect(first.programs).toHaveLength(5);
      expect(first.programs.filter(({ runs }) => runs > 0).length).toBeGreaterThanOrEqual(3);
      // `up` loads extensions at the same time: neither must disturb the other's proof.
      const [again, beside] = await Promise.all([
        load(name, defaultOptions(name), true),
        load("packet-dma", ["--interface", "10.0.2.15"], true),
      ]);
      if (!again.supported) throw new Error(again.reason);
      if (!beside.supported) throw new Error(beside.reason);
      await vm.check("systemctl stop disgrafs-extension@packet-dma");
      expect(await inKernel(name)).toBe(5);
      expect(again.programs.map(({ tag }) => tag)).toEqual(first.programs.map(({ tag }) => tag));

      await vm.check(`kill -9 "$(systemctl show -P MainPID ${unit})"
        for try in $(seq 300); do [ "$(systemctl is-active ${unit})" = failed ] && break; sleep 0.2; done
        [ "$(systemctl is-active ${unit})" = failed ] && [ ! -e /sys/fs/bpf/disgrafs ]`);
      expect(await isGoneFromKernel(name)).toBe(true);
    },
    minutes(20),
  );

  it(
    "reports the kernel that it needs, and fails only if it is required",
    async () => {
      const facts = "^5\\.4\\. btf,bpffs";
      const call = (required: string): string =>
        pipelineScript("load", ["fuse-latency", ...facts.split(" "), required, "yes"]);
      const verdict = parseVerdict(await vm.check(call("no")));
      expect(verdict).toMatchObject({
        supported: false,
        needed: expect.stringContaining("matches ^5") as string,
      });
      const failed = await vm.run(call("yes"));
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toContain("extension fuse-latency is required and cannot run here: kernel ");
    },
    minutes(6),
  );

  it.each([
    ["write-user", "bpf_probe_write_user"],
    ["other-kernel", "not_in_this_kernel"],
  ])(
    "reports a program that does not load (%s), with the end of the log",
    async (which, word) => {
      const folder = "/opt/disgrafs/extensions/refused";
      await vm.check(`mkdir -p ${folder}/bin && cp /opt/disgrafs/tests/test-tools/refused ${folder}/bin/
      cp -r /opt/disgrafs/extensions/fuse-latency/{scripts,probe.sh} ${folder}/`);
      const args = ["refused", ".", "btf,bpffs", "yes", "yes", "--program", which];
      const failed = await vm.run(pipelineScript("load", args));
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toMatch(/extension refused is required and cannot run here: does not load: /);
      expect(failed.stderr).toContain(word);
      await vm.check(pipelineScript("remove", ["refused"]));
      expect(await vm.run(`ls -d ${folder} /run/disgrafs-refused.* /sys/fs/bpf/disgrafs`)).toMatchObject({
        stdout: "",
      });
    },
    minutes(10),
  );

  it.each(tested)(
    "%s passes its vm.sh",
    async (name) => {
      const { stdout, stderr } = await vm.run(`bash /opt/disgrafs/tests/${name}/vm.sh`, 900);
      say(stdout.replaceAll(/^/gm, `${kernel} ${name}: `));
      const failed = failures(stdout);
      if (failed.length > 0) say(`${stderr}\n${vm.console()}`);
      expect(failed).toEqual([]);
    },
    minutes(16),
  );

  it(
    "is not loaded after a reboot, and can then be removed completely",
    async () => {
      await vm.check("systemctl start disgrafs-extension@fuse-latency");
      expect(await inKernel("fuse-latency")).toBe(5);
      await vm.reboot();
      expect(await inKernel("fuse-latency")).toBe(0);
      await vm.check("[ ! -e /sys/fs/bpf/disgrafs ]");
      for (const name of tested) await remove(name);
      await vm.check(
        "[ -z \"$(ls -A /opt/disgrafs/extensions /etc/disgrafs/extensions 2>/dev/null | grep -v :)\" ] && [ ! -e '/etc/systemd/system/disgrafs-extension@.service' ]",
      );
    },
    minutes(20),
  );
});
