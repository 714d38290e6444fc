/**
 * What a read costs in instructions (tests/count-reads.sh), on each kernel of DISGRAFS_KERNELS: the node's own disk, JuiceFS, and
 * the FUSE extension with reads in the kernel, in one run on a machine with one CPU whose clock counts instructions. Prints a
 * table and checks limits.
 */
import { join } from "node:path";
import { z } from "zod";
import { buildExtensions } from "../../workshop/builder/builder.ts";
import { checkout } from "../../workshop/checkout.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";

const folder = "/opt/efuse";
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const minutes = (count: number): number => count * 60_000;

/** Instructions for each operation. */
const rowSchema = z.object({
  case: z.string(),
  random4k: z.number(),
  sequential128k: z.number(),
  small: z.number(),
});

describe.each(kernelsAskedFor())("a read on %s", (kernel) => {
  let vm: TestVm;

  beforeAll(async () => {
    const build = await buildExtensions(say);
    vm = await startTestVm({ name: "reads", kernel, cpus: 1, memoryMiB: 1300, clock: "instructions" });
    await vm.push(join(build, kernel, "fuse.build"), folder);
    await vm.push(join(checkout, "bpf/fuse/tests"), folder);
    await vm.check("modprobe fuse; systemctl stop redis-server 2>/dev/null || true");
  }, minutes(30));
  afterAll(async () => {
    // Undefined where the VM did not start: that failure is told already.
    expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
  }, minutes(5));

  it(
    "costs twice what the node's page cache costs, and a ninth of what JuiceFS's daemon costs",
    async () => {
      const { stdout, stderr, exitCode } = await vm.run(
        `${folder}/tests/count-reads.sh ${folder}/fuse.build`,
        3000,
      );
      say(stdout.replaceAll(/^/gm, `${kernel}: `) + stderr.slice(-2000));
      expect(exitCode).toBe(0);
      const rows = stdout
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => rowSchema.parse(JSON.parse(line)));
      const row = (name: string): z.infer<typeof rowSchema> => {
        const found = rows.find((each) => each.case === name);
        if (!found) throw new Error(`no case ${name}`);
        return found;
      };
      const [disk, daemon, reads] = ["the node's disk, warm", "JuiceFS's defaults", "lease, reads"].map(row);
      // The aims are 2 and 10.
      expect(reads!.random4k / disk!.random4k).toBeLessThan(2.1);
      expect(daemon!.random4k / reads!.random4k).toBeGreaterThan(8.5);
      expect(reads!.sequential128k / disk!.sequential128k).toBeLessThan(1.2);
    },
    minutes(55),
  );
});
