/** The teardown matrix: each moment of `up` and of `down`, ended by Ctrl-C and by kill -9. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyCheckout, labIn } from "../../tests/support/copiedCheckout.ts";
import { cells, expectGone, expectRecovery, expectUp, interruptAt } from "../../tests/support/teardown.ts";

const root = mkdtempSync(join(tmpdir(), "teardown "));
const folder = join(root, "lab");
const minutes = (count: number): number => count * 60_000;
const signals = ["SIGINT", "SIGKILL"] as const;

describe("one ./lab down leaves nothing, and up works again,", () => {
  beforeAll(async () => {
    copyCheckout(folder);
    await expectUp(folder);
    await expectGone(folder);
  }, minutes(15));
  afterAll(async () => {
    await labIn(folder, "down");
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, minutes(5));

  it.each(cells.flatMap((cell) => signals.map((signal) => ({ ...cell, signal }))))(
    "after $signal to all of $command when $moment",
    async ({ command, holds, signal }) => {
      if (command === "down") await expectUp(folder);
      await interruptAt(folder, command, holds, signal);
      await expectRecovery(folder);
    },
    minutes(15),
  );
});
