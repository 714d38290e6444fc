/** A file system of a given size, mounted as root, with the cache of images on it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { checkout } from "../../workshop/checkout.ts";

export class SmallDisk {
  readonly #folder = mkdtempSync(join(tmpdir(), "small-disk-"));
  readonly #filler = join(this.#folder, "filler");

  constructor() {
    if (process.getuid?.() !== 0) throw new Error("this test mounts a file system: run it as root");
  }

  /** Mounts an empty file system of this size, in MiB. */
  mount(size: number): void {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}m`, "tmpfs", this.#folder]);
  }

  unmount(): void {
    execFileSync("umount", [this.#folder]);
  }

  /** Removes the mount point. */
  remove(): void {
    rmdirSync(this.#folder);
  }

  /** Bakes an image on the disk. */
  bake() {
    return execa(process.execPath, ["workshop/main.ts", "image", "ensure"], {
      cwd: checkout,
      env: { DISGRAFS_CACHE: this.#folder },
      input: JSON.stringify({ kernel: "debian-13" }),
      reject: false,
    });
  }

  /** Disks and roots of images, complete or not. */
  images(): string[] {
    const images = join(this.#folder, "images");
    const names = existsSync(images) ? readdirSync(images, { recursive: true, encoding: "utf8" }) : [];
    return names.filter((name) => /disk\.raw$|root$/.test(name));
  }

  /** Bakes an image, and fills the disk once the image's root exists. */
  async bakeUntilFull() {
    const baking = this.bake();
    while (!this.images().some((name) => name.endsWith("root"))) await sleep(100);
    // dd fails at the end and leaves what it has written.
    execFileSync("bash", ["-c", `dd if=/dev/zero of='${this.#filler}' bs=1M status=none || true`]);
    return await baking;
  }

  /** Frees what `bakeUntilFull` has filled. */
  free(): void {
    rmSync(this.#filler);
  }
}
