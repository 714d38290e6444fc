/**
 * The cost of a lookup in instructions (tests/count.py), on each kernel of DISGRAFS_KERNELS: a machine with one CPU whose clock
 * counts instructions, and a disk in memory whose reads take 3 us. Prints the results and checks limits.
 */
import { jsonLines } from "../../tests/support/jsonLines.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { say, vmWithChains } from "./tests/vm.ts";
import type { TestVm } from "../../tests/support/vm.ts";

/** Minimum speedup over reads of a lookup of depth 8, and maximum cost of a level besides the disk. */
const limits = {
  struct_ops: { wq: 0.93, poll: 1.3, irq: 1.8, level: 3000 },
  tracepoint: { wq: 0.93, poll: 1.2, irq: 1.4, level: 4000 },
} as const;

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
      const arms = (jsonLines(stdout) as Arm[]).filter(({ latencyNs }) => latencyNs === 3000);
      const find = (name: string): Arm => {
        const found = arms.find(({ arm }) => arm === name);
        if (!found) throw new Error(`no arm ${name}`);
        return found;
      };
      const time = (name: string): number => find(name).ns["8"] ?? NaN;
      const backend = kernel === "debian-12" ? "tracepoint" : "struct_ops";
      const limit = limits[backend];
      expect(time("pread") / time(`chain-wq, ${backend}`)).toBeGreaterThan(limit.wq);
      expect(time("io_uring, polled") / time(`chain-poll, ${backend}`)).toBeGreaterThan(limit.poll);
      expect(time("pread") / time(`chain-irq, ${backend}`)).toBeGreaterThan(limit.irq);
      expect(find(`chain-irq, ${backend}`).slope).toBeLessThan(limit.level);
      // A deeper tree takes longer, unless something else needed the CPU meanwhile.
      for (const { arm, ns } of arms) {
        const times = Object.values(ns);
        expect([arm, times]).toEqual([arm, times.toSorted((a, b) => a - b)]);
      }
    },
    minutes(55),
  );
});
