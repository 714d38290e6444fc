/** A sample of the teardown matrix; teardown.long.test.ts has the complete matrix. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyCheckout, labIn } from "../../tests/support/copiedCheckout.ts";
import { expectGone, expectUp, interruptAt, losses, momentsOfUp } from "../../tests/support/teardown.ts";

const root = mkdtempSync(join(tmpdir(), "teardown "));
const folder = join(root, "lab");
const minutes = (count: number): number => count * 60_000;

describe("one ./lab down leaves nothing, and up works again,", () => {
  beforeAll(() => copyCheckout(folder));
  afterAll(async () => {
    await labIn(folder, "down");
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, minutes(5));

  it.each(["the switch listens", "QEMU runs"])(
    "after kill -9 of all of up when %s",
    async (moment) => {
      await expectUp(folder).then(() => expectGone(folder));
      await interruptAt(folder, "up", momentsOfUp[moment]!, "SIGKILL");
      await expectGone(folder);
    },
    minutes(15),
  );

  it.each(Object.keys(losses))(
    "after the loss of %s",
    async (what) => {
      await expectUp(folder);
      losses[what]!(folder);
      await expectGone(folder);
    },
    minutes(15),
  );
});
