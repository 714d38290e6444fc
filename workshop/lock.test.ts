import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "./lock.ts";

describe("withLock", () => {
  const folder = mkdtempSync(join(tmpdir(), "lock-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const quiet = (): void => undefined;

  it("runs one task after the other", async () => {
    const events: string[] = [];
    const work = (name: string) =>
      withLock(join(folder, "a"), quiet, async () => {
        events.push(`${name} in`);
        await sleep(50);
        events.push(`${name} out`);
      });
    await Promise.all([work("x"), work("y")]);
    expect(events.map((event) => event.slice(2))).toEqual(["in", "out", "in", "out"]);
  });

  it("releases the lock of a process that was killed", async () => {
    const file = join(folder, "b");
    const holder = spawn("flock", [file, "sh", "-c", "echo held; exec sleep 600"], { detached: true });
    await once(holder.stdout, "data");
    process.kill(-holder.pid!, "SIGKILL");
    await expect(withLock(file, quiet, () => Promise.resolve("got it"))).resolves.toBe("got it");
  });

  it("reports why there can be no lock", async () => {
    const file = join(folder, "no", "such", "folder");
    const locked = withLock(file, quiet, () => Promise.resolve());
    await expect(locked).rejects.toThrow(`cannot lock ${file}: flock: cannot open lock file`);
  });
});
