/**
 * The cost of a read in instructions (tests/count-reads.sh), on each kernel of DISGRAFS_KERNELS: from the node's own disk, from
 * JuiceFS, and in the kernel with the FUSE extension. One run on a machine with one CPU whose clock counts instructions. Prints
 * the results and checks limits.
 */
import { z } from "zod";
import { jsonLines } from "../../tests/support/jsonLines.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import type { TestVm } from "../../tests/support/vm.ts";
import { built, folder, say, vmWithExtension } from "./tests/vm.ts";

const minutes = (count: number): number => count * 60_000;

/** Instructions per operation. */
const countsSchema = z.object({
  random4k: z.number(),
  warm4k: z.number(),
  sequential128k: z.number(),
  small: z.number(),
});
type Counts = z.infer<typeof countsSchema>;
const rowSchema = countsSchema.extend({ case: z.string() });

/** The least of each. */
const least = (rows: readonly Counts[]): Counts =>
  countsSchema.parse(
    Object.fromEntries(
      Object.keys(countsSchema.shape).map((what) => [
        what,
        Math.min(...rows.map((row) => row[what as keyof Counts])),
      ]),
    ),
  );

describe.each(kernelsAskedFor())("a read on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    vm = await vmWithExtension("reads", kernel, 1, "instructions");
  }, minutes(30));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "in the kernel costs less than twice a read from the page cache, and less than a tenth of one from JuiceFS's daemon",
    async () => {
      const { stdout, stderr, exitCode } = await vm.run(`${folder}/tests/count-reads.sh ${built}`, 3000);
      say(stdout.replaceAll(/^/gm, `${kernel}: `) + stderr.slice(-2000));
      expect(exitCode).toBe(0);
      const rows = jsonLines(stdout).map((line) => rowSchema.parse(line));
      const row = (name: string): Counts => {
        const found = rows.filter((each) => each.case === name);
        if (found.length === 0) throw new Error(`no case ${name}`);
        return least(found);
      };
      const disk = row("the node's disk, warm");
      const daemon = row("JuiceFS's defaults");
      const reads = row("lease, reads");
      expect(reads.random4k / disk.random4k).toBeLessThan(2);
      expect(daemon.random4k / reads.random4k).toBeGreaterThan(10);
      expect(reads.sequential128k / disk.sequential128k).toBeLessThan(1.2);
      // A miss, beside the same read without reads in the kernel.
      expect(row("lease, reads of what is not cached").random4k / row("lease").random4k).toBeLessThan(1.05);
      // What it adds: from the mount's own pages, because the daemon's counts differ by some percent from run to run.
      const added = row("lease, reads of what is not cached").warm4k - row("lease").warm4k;
      expect(added / row("lease").random4k).toBeLessThan(0.05);
      // Small files: below what the defaults took when reads were planned.
      expect(row("lease, the kernel keeps answers, reads").small).toBeLessThan(339_000);
      // Not a gain, but a known price: pages that the mount itself still has.
      expect(reads.warm4k / daemon.warm4k).toBeLessThan(2);
      // And almost none if they are used first, which costs little where there are none.
      const after = row("lease, the kernel keeps answers, reads after pages");
      expect(after.warm4k / daemon.warm4k).toBeLessThan(1.25);
      expect(after.random4k / reads.random4k).toBeLessThan(1.1);
      expect(after.sequential128k / disk.sequential128k).toBeLessThan(1.2);
    },
    minutes(55),
  );
});
