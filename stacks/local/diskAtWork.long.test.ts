/** A computer's disk that becomes full while a lab works on it: the machine's writes fail. Needs root. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { copyCheckout, labIn, type Run } from "../../tests/support/copiedCheckout.ts";
import { expectGone, expectUp, fillDisk, onSmallDisk } from "../../tests/support/teardown.ts";

const root = mkdtempSync(join(tmpdir(), "disk at work "));
const folder = join(root, "lab");
const minutes = (count: number): number => count * 60_000;

const onMachine = (...command: string[]): Promise<Run> => labIn(folder, "ssh", "m", "--", ...command);

/** Waits for an answer of the machine's current boot, or of one after `boot`. */
async function answers(boot = ""): Promise<string> {
  for (;;) {
    const { exitCode, output } = await onMachine("cat /proc/sys/kernel/random/boot_id");
    if (exitCode === 0 && output.trim() !== boot) return output.trim();
    await sleep(1000);
  }
}

async function expectWell(): Promise<void> {
  const { exitCode, output } = await labIn(folder, "status");
  if (exitCode !== 0) throw new Error(output);
}

describe("a lab at work on a disk that becomes full", () => {
  let takeAway = (): void => undefined;
  let free = (): void => undefined;
  beforeAll(async () => {
    copyCheckout(folder);
    // Well above the limit below which the status calls it full.
    takeAway = onSmallDisk(folder, 2048);
    await expectUp(folder);
  }, minutes(15));
  afterAll(async () => {
    free();
    await expectGone(folder);
    takeAway();
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, minutes(5));

  it(
    "names the machine whose writes failed, also when there is room again, until it was restarted as advised",
    async () => {
      const boot = await answers();
      await expectWell();

      free = fillDisk(folder);
      const write = await onMachine("dd if=/dev/urandom of=/var/tmp/x bs=1M count=200 conv=fsync");
      expect(write.exitCode).not.toBe(0);
      // Whether anybody can still log in depends on what could not be written.
      const failed =
        /m: (no answer by ssh: .*; )?(\d+ requests to its disk failed|its disk has failed, and is read-only), as when .* restart it: (.*), then/;
      const full = await labIn(folder, "status");
      expect(full.exitCode).toBe(1);
      expect(full.output).toMatch(/this computer: only \d+ MiB are free/);
      expect(full.output).toMatch(failed);

      free();
      const after = await labIn(folder, "status");
      expect(after.exitCode).toBe(1);
      expect(after.output).toMatch(failed);

      execFileSync("bash", ["-c", failed.exec(after.output)?.[3] ?? ""]);
      await expectUp(folder);
      await answers(boot);
      await expectWell();
      expect(await onMachine("echo kept >/var/tmp/y && sync && cat /var/tmp/y")).toMatchObject({
        exitCode: 0,
      });
    },
    minutes(20),
  );
});
