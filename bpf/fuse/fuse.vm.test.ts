/**
 * The FUSE extension in one VM, as in a lab: installed on a machine with a JuiceFS mount, loaded, verified, replaced, killed,
 * switched by the benchmark's arms, and removed; then a selection of its own tests (tests/run.py). fuse.long.test.ts runs all
 * of them, also with the faults that must make them fail, and the checker. DISGRAFS_KERNELS: as in bpf/extensions.vm.test.ts.
 */
import { join } from "node:path";
import { localKernelNames } from "../../provisioning/kernels.ts";
import { parseVerdict, releasePattern, type Verdict } from "../pipeline/extensionOnNode.ts";
import { fuse } from "./extension.ts";
import { buildExtensions } from "../../workshop/builder/builder.ts";
import { checkout } from "../../workshop/checkout.ts";
import {
  defaultOptions,
  loadExtension,
  pipelineScript,
  putExtension,
  removeExtension,
} from "../../tests/support/extensions.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { failures } from "../../tests/support/tap.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";

const folder = "/opt/disgrafs/extensions/fuse";
/** What a benchmark's arm prints of itself. */
interface Proof {
  readonly active: boolean;
  readonly count: number;
  readonly reads?: number | null;
  readonly readBytes?: number | null;
}
const password = "canary-of-the-password";
const minutes = (count: number): number => count * 60_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Fails if anything of the extension is left on the machine. */
const nothingLeft = `left() {
    ls -d /sys/module/efuse /dev/efuse /sys/fs/bpf/disgrafs/fuse 2>/dev/null
    grep fuse_ /sys/kernel/tracing/enabled_functions
    bpftool -j prog show | jq -r '.[].name // empty | select(startswith("efuse_"))'
  }
  # The kernel frees programs a while after their last user.
  for try in $(seq 300); do [ -z "$(left || true)" ] && break; sleep 0.2; done
  [ -z "$(left || true)" ] || { echo "left: $(left || true)" >&2; exit 1; }`;

/** Titles of the tests of tests/run.py that one machine can run in minutes. */
const core =
  "^(a stat is answered|rule 1: |rule 2: |rule 3: attributes|rule 4: |rule 5: a file open for|rule 6: a hit|rule 6: zero|" +
  "rule 7: another client's change|rule 7: the lease of a stopped|rule 9: |rule 10: |after kill -9|ExtFUSE: RENAME|" +
  "the module refuses|other tracers|a request that ends|ftrace|" +
  "listings: (listed|another client|entries|malformed|an absent name that another|a listing with a gap|a name that was)|" +
  "kernel cache: (another client|open)|" +
  "reads: (off|after-pages|rule [1-5]: (?!they|a reported change of|so does)|beyond|random lists|the module)|no errors)";

describe.each(kernelsAskedFor())("the FUSE extension on %s", (kernel) => {
  let vm: TestVm;
  let build: string;

  const load = async (settings: object, release = releasePattern(fuse.kernels)): Promise<Verdict> => {
    const own = fuse.settings.parse(settings);
    const options = fuse.options(own, {
      mountPoint: "/mnt/jfs",
      meta: "redis://127.0.0.1:6379/0",
      passwordFile: "/etc/disgrafs/redis-password",
      privateAddress: "127.0.0.1",
    }) as string[];
    const required = own.required ? "yes" : "no";
    const args = ["fuse", release, fuse.needs.join(","), required, "yes", ...options];
    return parseVerdict(await vm.check(pipelineScript("load", args), 300));
  };
  const status = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await vm.check(`${folder}/bin/fuse --status`)) as Record<string, unknown>;

  beforeAll(async () => {
    build = await buildExtensions(say);
    // One CPU: under QEMU's emulation, patching a function while another CPU runs it can crash (docs/fuse-extension.md).
    vm = await startTestVm({ name: "fuse", kernel, cpus: 1, memoryMiB: 1300 });
    await putExtension(vm, kernel, "fuse", build);
    await vm.push(join(checkout, "benchmarks/arms"), "/opt");
    await vm.check(
      `systemctl disable -q --now redis-server || true
      mkdir -p /etc/disgrafs /mnt/jfs /var/bucket
      (umask 077; echo ${password} >/etc/disgrafs/redis-password)
      systemd-run -q --unit=test-redis redis-server --port 6379 --bind 127.0.0.1 --save '' --requirepass ${password}
      export META_PASSWORD_FILE=/etc/disgrafs/redis-password
      for try in $(seq 300); do redis-cli -a ${password} ping 2>/dev/null | grep -q PONG && break; sleep 0.2; done
      juicefs format --storage file --bucket /var/bucket/ --trash-days 0 redis://127.0.0.1:6379/0 test >/dev/null 2>&1
      systemd-run -q --unit=test-jfs -E META_PASSWORD_FILE=/etc/disgrafs/redis-password juicefs mount --no-usage-report \\
        --attr-cache=0 --entry-cache=0 --dir-entry-cache=0 redis://127.0.0.1:6379/0 /mnt/jfs
      for try in $(seq 600); do [ "$(findmnt -no FSTYPE /mnt/jfs)" = fuse.juicefs ] && break; sleep 0.2; done
      findmnt -no FSTYPE /mnt/jfs`,
      400,
    );
  }, minutes(20));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "reports why a machine is not supported, and leaves nothing there",
    async () => {
      expect(await load({}, "^5\\.4\\.")).toMatchObject({
        supported: false,
        needed: expect.stringContaining("matches ^5") as string,
      });
      await vm.check(nothingLeft);
      // The module of another kernel.
      const other = localKernelNames.find((name) => name !== kernel)!;
      await vm.check(`mv ${folder}/bin/efuse.ko ${folder}/efuse.ko`);
      await vm.push(join(build, other, "fuse", "efuse.ko"), `${folder}/bin`);
      expect(await load({})).toMatchObject({
        supported: false,
        reason: expect.stringMatching(
          /efuse\.ko was built for another kernel|the module rejects|Invalid/,
        ) as string,
      });
      await vm.check(`mv ${folder}/efuse.ko ${folder}/bin/efuse.ko`);
      await vm.check(nothingLeft);
    },
    minutes(10),
  );

  it(
    "answers in the kernel when it is loaded, reports that, and is replaced when it is loaded again",
    async () => {
      for (const own of [
        { boundMs: 8000, kernelCache: true },
        { boundMs: 4000, kernelCache: false },
      ]) {
        const verdict = await load({ ...own, required: true });
        if (!verdict.supported) throw new Error(verdict.reason);
        expect(verdict.facts).toMatchObject({ mode: "lease", serving: true, lease: true, ...own });
        expect(verdict.facts!.hits).toBeGreaterThan(0);
        expect(verdict.facts!.hitRatio).toBeGreaterThan(0);
        expect(verdict.programs.find(({ name }) => name === "efuse_dispatch")!.runs).toBeGreaterThan(20);
      }
      expect(await vm.check("wc -l < /sys/module/efuse/refcnt; grep -c ^efuse /proc/modules")).toBe("1\n1");
      await vm.check(
        "grep -q 'efuse_mounted{state=\"mounted\"} 1' /var/lib/prometheus/node-exporter/disgrafs-fuse.prom",
      );
      await vm.check(`[ -z "$(ps -ef | grep -v grep | grep -v redis-server | grep ${password})" ]`);
    },
    minutes(15),
  );

  it(
    "is measured by fuse-latency, which does not count answers from the kernel as requests in flight",
    async () => {
      await putExtension(vm, kernel, "fuse-latency", build);
      await loadExtension(vm, kernel, "fuse-latency", defaultOptions("fuse-latency"), true);
      const counted = "disgrafs_fuse_requests_answered_total";
      const metrics = "/var/lib/prometheus/node-exporter/disgrafs-fuse-latency.prom";
      await vm.check(`echo x >/mnt/jfs/seen; for i in $(seq 50); do stat /mnt/jfs/seen >/dev/null; done
        for try in $(seq 300); do
          [ "$(sed -n 's/^${counted} //p' ${metrics} 2>/dev/null || echo 0)" -ge 40 ] 2>/dev/null && break; sleep 0.2
        done
        grep '^${counted}' ${metrics} | awk '{ exit !($2 >= 40) }'`);
      // The daemon is idle now, so no entry may remain.
      const inFlight = "bpftool -j map dump name fl_in_flight | jq length";
      await vm.check(
        `for try in $(seq 300); do [ "$(${inFlight})" = 0 ] && exit 0; sleep 0.2; done; ${inFlight}; exit 1`,
      );
      await removeExtension(vm, "fuse-latency");
    },
    minutes(10),
  );

  it(
    "leaves nothing in the kernel when its agent is killed, and the daemon answers again",
    async () => {
      await vm.check(`echo x >/mnt/jfs/killed; stat /mnt/jfs/killed >/dev/null
        kill -9 "$(systemctl show -P MainPID disgrafs-extension@fuse)"
        stat /mnt/jfs/killed >/dev/null
        for try in $(seq 300); do [ "$(systemctl is-active disgrafs-extension@fuse)" = failed ] && break; sleep 0.2; done
        ${nothingLeft}
        stat /mnt/jfs/killed >/dev/null; rm /mnt/jfs/killed`);
      expect(await status()).toMatchObject({ running: false, pinned: false, programs: [], maps: [] });
    },
    minutes(10),
  );

  it.each(["cache", "after-pages"] as const)(
    "reads every byte of a file from JuiceFS's block cache with reads: %s",
    async (reads) => {
      const verdict = await load({ reads, boundMs: 4000, required: true });
      if (!verdict.supported) throw new Error(verdict.reason);
      expect(verdict.facts!.reads).toBeGreaterThan(0);
      const readBytes = async (): Promise<number> =>
        ((await status()).facts as { readBytes: number }).readBytes;
      const before = await readBytes();
      await vm.check(`head -c 5000000 /dev/urandom >/var/tmp/want; cp /var/tmp/want /mnt/jfs/read
        for try in $(seq 10); do
          dd if=/mnt/jfs/read iflag=nocache count=0 status=none; cmp /var/tmp/want /mnt/jfs/read; sleep 0.3
        done`);
      expect((await readBytes()) - before).toBeGreaterThan(5_000_000);
      await vm.check("rm /mnt/jfs/read; systemctl stop disgrafs-extension@fuse");
      await vm.check(nothingLeft);
    },
    minutes(10),
  );

  it(
    "is enabled, proven and disabled by each arm of the benchmark",
    async () => {
      for (const arm of ["off", "lease", "lease-keep", "lease-read", "read", "lease-keep-read", "notify"]) {
        const script = `bash /opt/arms/fuse.sh ${arm}`;
        const proof = (text: string): Proof => JSON.parse(text) as never;
        await vm.check(`${script} check /mnt/jfs; ${script} enable /mnt/jfs
          head -c 5000000 /dev/urandom >/mnt/jfs/proof`);
        const before = proof(await vm.check(`${script} prove /mnt/jfs`));
        const reads = arm.endsWith("read");
        // Wait until the counts have increased: `notify` counts heartbeats, which do not depend on requests, and reads are
        // answered some time after the first one that missed its block.
        const grown = [
          `.count > ${before.count}`,
          ...(reads ? [`.reads > ${before.reads} and .readBytes >= ${before.readBytes! + 5_000_000}`] : []),
        ];
        const after = proof(
          await vm.check(`for try in $(seq 300); do
              stat /mnt/jfs >/dev/null; dd if=/mnt/jfs/proof iflag=nocache count=0 status=none; cat /mnt/jfs/proof >/dev/null
              now=$(${script} prove /mnt/jfs)
              jq -e '${grown.join(" and ")}' <<<"$now" >/dev/null && break; sleep 0.2
            done; echo "$now"; rm /mnt/jfs/proof`),
        );
        expect([arm, before.active, after.active]).toEqual([arm, true, true]);
        expect(after.count).toBeGreaterThan(before.count);
        if (reads) {
          expect(after.reads).toBeGreaterThan(before.reads!);
          expect(after.readBytes).toBeGreaterThanOrEqual(before.readBytes! + 5_000_000);
        } else expect([after.reads ?? null, after.readBytes ?? null]).toEqual([null, null]);
        // Another arm is not active, but its script disables the extension in any mode.
        const another = arm === "lease" ? "ttl" : "lease";
        expect(proof(await vm.check(`bash /opt/arms/fuse.sh ${another} prove`))).toEqual({
          active: false,
          count: 0,
        });
        expect(proof(await vm.check(`${script} prove /mnt/jfs`)).active).toBe(true);
        await vm.check(
          `bash /opt/arms/fuse.sh ${another} disable /mnt/jfs; ${nothingLeft}; [ ! -e /run/disgrafs/extension-fuse.env ]`,
        );
      }
    },
    minutes(15),
  );

  it(
    "leaves nothing on the machine when it is removed",
    async () => {
      await vm.check("systemctl start disgrafs-extension@fuse");
      expect(await status()).toMatchObject({ running: true, pinned: true });
      await vm.check(pipelineScript("remove", ["fuse"]));
      await vm.check(`${nothingLeft}
        for file in ${folder} /etc/disgrafs/extensions /etc/systemd/system/disgrafs-extension@.service; do [ ! -e $file ]; done
        stat /mnt/jfs >/dev/null`);
    },
    minutes(10),
  );

  it(
    "keeps its rules",
    async () => {
      await vm.check("systemctl stop test-jfs test-redis");
      const programs = ["efuse-agent", "efuse-agent-faulty", "efuse-fuzz", "efuse-slices"];
      for (const file of ["efuse.ko", ...programs, "fuzz.bpf.o", "bystander.bpf.o", "fixed-file.bpf.o"])
        await vm.push(join(build, kernel, "fuse.build", file), "/opt/efuse");
      await vm.push(join(checkout, "bpf/fuse/tests"), "/opt/efuse");
      const run = `EFUSE_FAULTS=no python3 /opt/efuse/tests/run.py /opt/efuse ${JSON.stringify(core)}`;
      const { stdout } = await vm.run(run, 1800);
      say(stdout.replaceAll(/^/gm, `${kernel}: `));
      expect(failures(stdout)).toEqual([]);
    },
    minutes(35),
  );
});
