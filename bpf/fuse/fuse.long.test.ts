/**
 * The FUSE extension in local VMs: every rule, with and without the fault that disables it; a hostile program; JuiceFS and the
 * checker on two clients, also of contents; reads from the block cache; loading and unloading during requests. The scripts in tests/ print TAP; a test here fails with the
 * titles that failed.
 *
 * To run longer or on other kernels: DISGRAFS_KERNELS (a comma-separated list, or "all"), EFUSE_CYCLES (loads, default 3),
 * EFUSE_FUZZ_SECONDS (10), EFUSE_CHECK_SECONDS (8, for each step).
 */
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import { failures } from "../../tests/support/tap.ts";
import type { TestVm } from "../../tests/support/vm.ts";
import { built, folder, say, vmWithExtension } from "./tests/vm.ts";

const minutes = (count: number): number => count * 60_000;
const number = (name: string, fallback: number): number => {
  const text = process.env[name] ?? String(fallback);
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`${name}=${text}: must be a whole number above 0`);
};
describe.each(kernelsAskedFor())("the FUSE extension on %s", (kernel) => {
  describe("on two CPUs", () => {
    let vm: TestVm;
    beforeAll(async () => {
      vm = await vmWithExtension("fuse", kernel, 2);
    }, minutes(20));
    afterAll(async () => {
      expect(await vm.stop()).toEqual([]);
    }, minutes(2));

    it(
      "should keep every rule, and the tests of the rules should fail with each injected fault",
      async () => {
        const fuzz = number("EFUSE_FUZZ_SECONDS", 10);
        const command = `EFUSE_FUZZ_SECONDS=${fuzz} python3 ${folder}/tests/run.py ${built} '^(?!load and unload)'`;
        const { stdout } = await vm.run(command, 1500 + fuzz);
        say(stdout); // Its figures are for docs/fuse-extension.md.
        expect(failures(stdout)).toEqual([]);
      },
      minutes(30 + number("EFUSE_FUZZ_SECONDS", 10) / 60),
    );

    it(
      "should keep two JuiceFS clients within the bound while Redis and the agents fail and return",
      async () => {
        const seconds = number("EFUSE_CHECK_SECONDS", 8);
        const { stdout } = await vm.run(
          `python3 ${folder}/tests/juicefs.py ${built} ${seconds}`,
          1500 + 20 * seconds,
        );
        say(stdout); // Its figures are for docs/fuse-extension.md.
        expect(failures(stdout)).toEqual([]);
      },
      minutes(30 + number("EFUSE_CHECK_SECONDS", 8) / 3),
    );
  });

  // One CPU: under QEMU's emulation, patching a function while another CPU runs it can crash (docs/fuse-extension.md).
  describe("on one CPU", () => {
    let vm: TestVm;
    beforeAll(async () => {
      vm = await vmWithExtension("fuse-one", kernel, 1);
    }, minutes(20));
    afterAll(async () => {
      expect(await vm.stop()).toEqual([]);
    }, minutes(2));

    it(
      "should load and unload while requests run",
      async () => {
        const cycles = number("EFUSE_CYCLES", 3);
        const command = `EFUSE_CYCLES=${cycles} python3 ${folder}/tests/run.py ${built} '^(load and unload|no errors)'`;
        const { stdout } = await vm.run(command, 300 + 60 * cycles);
        say(stdout); // Its figures are for docs/fuse-extension.md.
        expect(failures(stdout)).toEqual([]);
      },
      minutes(10 + number("EFUSE_CYCLES", 3)),
    );

    it(
      "should return every byte of JuiceFS files, in every way to read, while agents, readers and block files come and go",
      async () => {
        const { stdout } = await vm.run(`python3 ${folder}/tests/reading_juicefs.py ${built}`, 1800);
        say(stdout);
        expect(failures(stdout)).toEqual([]);
      },
      minutes(32),
    );

    it(
      "should show two JuiceFS clients no old, mixed or torn content while Redis, daemons, agents and caches fail",
      async () => {
        const seconds = number("EFUSE_CHECK_SECONDS", 8);
        const { stdout } = await vm.run(
          `python3 ${folder}/tests/contents.py ${built} ${seconds}`,
          1800 + 20 * seconds,
        );
        say(stdout); // Its figures are for docs/records/fuse-extension-reads.md.
        expect(failures(stdout)).toEqual([]);
      },
      minutes(35 + number("EFUSE_CHECK_SECONDS", 8) / 3),
    );
  });
});
