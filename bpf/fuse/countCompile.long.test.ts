/**
 * The cost of a compile on the mount in instructions (tests/count_compile.py), on each kernel of DISGRAFS_KERNELS, for each arm,
 * and on the node's own disk. One run on a machine with one CPU whose clock counts instructions. Prints the results and checks
 * that the lease lowers what JuiceFS costs more than the disk.
 */
import { join } from "node:path";
import { z } from "zod";
import { jsonLines } from "../../tests/support/jsonLines.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import type { TestVm } from "../../tests/support/vm.ts";
import { checkout } from "../../workshop/checkout.ts";
import { built, folder, say, vmWithExtension } from "./tests/vm.ts";

const minutes = (count: number): number => count * 60_000;

/** Instructions for one file. */
const rowSchema = z.object({ arm: z.string(), first: z.number(), instructions: z.number() });

describe.each(kernelsAskedFor())("a compile on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    vm = await vmWithExtension("compile", kernel, 1, "instructions");
    await vm.push(join(checkout, "benchmarks/runner/disgrafs_benchmark"), folder);
  }, minutes(30));
  afterAll(async () => {
    // Undefined if the VM did not start, which has already been reported.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "with a lease costs less above the node's own disk than with JuiceFS's defaults",
    async () => {
      const { stdout, stderr, exitCode } = await vm.run(
        `python3 ${folder}/tests/count_compile.py ${built}`,
        2400,
      );
      say(stdout + stderr.slice(-2000));
      expect(exitCode).toBe(0);
      const rows = jsonLines(stdout).map((line) => rowSchema.parse(line));
      const cost = (arm: string): number => rows.find((row) => row.arm === arm)?.instructions ?? NaN;
      const disk = cost("local");
      expect(cost("ttl")).toBeGreaterThan(disk);
      expect(cost("fuse-lease-keep") - disk).toBeLessThan(0.9 * (cost("ttl") - disk));
      expect(cost("fuse-lease") - disk).toBeLessThan(cost("ttl") - disk);
    },
    minutes(45),
  );
});
