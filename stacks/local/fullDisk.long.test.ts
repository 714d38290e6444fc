/** The teardown matrix on a disk that is full from a moment of `up` or `down` on, until the command ends. Needs root. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyCheckout, labIn } from "../../tests/support/copiedCheckout.ts";
import {
  cells,
  expectGone,
  expectRecovery,
  expectUp,
  fillDiskAt,
  onSmallDisk,
} from "../../tests/support/teardown.ts";

const root = mkdtempSync(join(tmpdir(), "full disk "));
const folder = join(root, "lab");
const minutes = (count: number): number => count * 60_000;

describe("one ./lab down leaves nothing, and up works again,", () => {
  let takeAway = (): void => undefined;
  beforeAll(async () => {
    copyCheckout(folder);
    takeAway = onSmallDisk(folder, 400);
    await expectUp(folder);
    await expectGone(folder);
  }, minutes(15));
  afterAll(async () => {
    await labIn(folder, "down");
    takeAway();
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, minutes(5));

  it.each(cells)(
    "when the disk was full in $command from the moment when $moment",
    async ({ command, holds }) => {
      if (command === "down") await expectUp(folder);
      const { exitCode, output } = await fillDiskAt(folder, command, holds);
      // A command that did not have to write succeeds. Any other names its reason.
      if (exitCode !== 0) expect(output).toMatch(/no space left on device/i);
      await expectRecovery(folder);
    },
    minutes(15),
  );
});
