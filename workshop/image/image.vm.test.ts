/** A bake on a disk that fills up, then one with enough space, on a separate file system mounted as root. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { checkout } from "../checkout.ts";

const minutes = 60_000;
const disk = mkdtempSync(join(tmpdir(), "small-disk-"));
const images = join(disk, "images");

function bake() {
  return execa(process.execPath, ["workshop/main.ts", "image", "ensure"], {
    cwd: checkout,
    env: { DISGRAFS_CACHE: disk },
    input: JSON.stringify({ kernel: "debian-13" }),
    reject: false,
  });
}

/** Disks and roots of images, complete or not. */
const left = (): string[] =>
  existsSync(images)
    ? readdirSync(images, { recursive: true, encoding: "utf8" }).filter((name) =>
        /disk\.raw$|root$/.test(name),
      )
    : [];

describe("baking an image", () => {
  beforeAll(() => {
    if (process.getuid?.() !== 0) throw new Error("this test mounts a file system: run it as root");
  });
  afterEach(() => {
    execFileSync("umount", [disk]);
  });
  afterAll(() => {
    rmdirSync(disk);
  });

  it(
    "reports how much space is missing before it begins",
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=100m", "tmpfs", disk]);
      const { exitCode, stderr } = await bake();
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(
        /baking an image needs 5 GiB of free space in .*, which has 0\.1 GiB\. Free 4\.9 GiB/,
      );
      expect(left()).toEqual([]);
    },
    2 * minutes,
  );

  it(
    "leaves nothing incomplete if the disk fills up, and succeeds once there is space",
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=6400m", "tmpfs", disk]);
      const first = bake();
      while (!left().some((name) => name.endsWith("root"))) await sleep(100);
      const filler = join(disk, "filler");
      // Fills the disk: dd fails at the end and leaves what it has written.
      execFileSync("bash", ["-c", `dd if=/dev/zero of='${filler}' bs=1M status=none || true`]);
      const { exitCode, stderr } = await first;
      expect(exitCode).toBe(1);
      expect(stderr).toContain("the image for debian-13 could not be baked");
      expect(left()).toEqual([]);
      rmSync(filler);
      const { exitCode: second, stdout, stderr: why } = await bake();
      expect(second === 0 ? "" : why).toBe("");
      expect(JSON.parse(stdout)).toMatchObject({ release: expect.stringMatching(/^6\.12\./) as string });
    },
    20 * minutes,
  );
});
