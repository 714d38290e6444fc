/**
 * The cost of a lookup in instructions (tests/count.py), on each kernel of DISGRAFS_KERNELS: a machine with one CPU whose clock
 * counts instructions, and a disk in memory whose reads take 3 us. Prints the results and checks limits.
 */
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { jsonLines } from "../../tests/support/jsonLines.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { say, vmWithChains } from "./tests/vm.ts";
import type { TestVm } from "../../tests/support/vm.ts";

/**
 * Minimum speedup over reads of a lookup of depth 8 on a disk of this latency, and maximum cost of a level in mode irq besides a disk of
 * 10 us, with and without checksums. Linux 7.3 takes longer than 3 us from a request to sleep: such a disk has answered before, so reads cost no switch there.
 */
const limits = {
  "debian-12": {
    backend: "tracepoint",
    latencyNs: 3000,
    wq: 0.93,
    poll: 1.2,
    irq: 1.4,
    level: 3300,
    unchecked: 2700,
  },
  "debian-13": {
    backend: "struct_ops",
    latencyNs: 3000,
    wq: 0.93,
    poll: 1.3,
    irq: 1.8,
    level: 2700,
    unchecked: 2050,
  },
  "debian-13-backports": {
    backend: "struct_ops",
    latencyNs: 10_000,
    wq: 0.93,
    poll: 1.15,
    irq: 1.4,
    level: 3400,
    unchecked: 2700,
  },
} as const satisfies Record<LocalKernel, object>;

const minutes = (count: number): number => count * 60_000;

interface Arm {
  readonly arm: string;
  readonly latencyNs: number;
  readonly ns: Readonly<Record<string, number>>;
  readonly slope: number | null;
}

describe.each(kernelsAskedFor())("a lookup on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    vm = await vmWithChains("count", kernel, 1, "instructions");
  }, minutes(30));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "through a door is faster than by reads by at least the documented factors",
    async () => {
      const { stdout, stderr, exitCode } = await vm.run(
        "python3 /opt/schain/tests/count.py /opt/schain 3000 10000 80000",
        3000,
      );
      say(stdout.replaceAll(/^/gm, `${kernel}: `) + stderr.slice(-2000));
      expect(exitCode).toBe(0);
      const limit = limits[kernel];
      const { backend } = limit;
      const arms = jsonLines(stdout) as Arm[];
      const find = (name: string, latency: number): Arm => {
        const found = arms.find(({ arm, latencyNs }) => arm === name && latencyNs === latency);
        if (!found) throw new Error(`no arm ${name} at ${latency} ns`);
        return found;
      };
      const time = (name: string): number => find(name, limit.latencyNs).ns["8"] ?? NaN;
      expect(time("pread") / time(`chain-wq, ${backend}`)).toBeGreaterThan(limit.wq);
      expect(time("io_uring, polled") / time(`chain-poll, ${backend}`)).toBeGreaterThan(limit.poll);
      expect(time("pread") / time(`chain-irq, ${backend}`)).toBeGreaterThan(limit.irq);
      // HotOS '21's system call layer saves less than a door, so the lab has no such arm.
      expect(time(`chain-irq, ${backend}`)).toBeLessThan(time("ioctl"));
      expect(find(`chain-irq, ${backend}`, 10_000).slope).toBeLessThan(limit.level);
      expect(find(`chain-irq, ${backend}, no checksums`, 10_000).slope).toBeLessThan(limit.unchecked);
      // A deeper tree takes longer.
      for (const { arm, ns } of arms) {
        const times = Object.values(ns);
        expect([arm, times]).toEqual([arm, times.toSorted((a, b) => a - b)]);
      }
    },
    minutes(55),
  );
});
