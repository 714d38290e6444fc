/** The builder is reproducible: two builds of the same sources, in different places and at different times, are identical. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ensureBuilder, runInBuilder } from "./builder.ts";
import { checkout } from "../checkout.ts";

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Hashes of all files below a folder. */
function hashes(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(folder, file), createHash("sha256").update(readFileSync(file)).digest("hex")]),
  );
}

describe("the builder", () => {
  it("builds identical files twice", async () => {
    const root = await ensureBuilder(say);
    const build = async (): Promise<Record<string, string>> => {
      const out = mkdtempSync(join(tmpdir(), "build-"));
      // The FUSE extension's module has its own test.
      const names = ["fuse-latency", "packet-dma", "redis-sockmap"];
      const targets = names.map((name) => `/build/out/debian-13/${name}/${name}`);
      await runInBuilder(root, join(checkout, "bpf"), out, ["make", "-C", "/build/source", ...targets]);
      const result = hashes(out);
      rmSync(out, { recursive: true });
      return result;
    };
    const first = await build();
    expect(Object.keys(first).sort()).toEqual(
      expect.arrayContaining([
        "debian-13/fuse-latency/fuse-latency",
        "debian-13/fuse-latency/fuse-latency.bpf.o",
      ]),
    );
    expect(await build()).toEqual(first);
  }, 1_200_000);

  it("reports a failed build with the end of its output", async () => {
    const root = await ensureBuilder(say);
    const out = mkdtempSync(join(tmpdir(), "build-"));
    await expect(
      runInBuilder(root, join(checkout, "bpf"), out, ["make", "-C", "/build/source", "no-such-target"]),
    ).rejects.toThrow(/failed in the builder:\n[^]*No rule to make target 'no-such-target'/);
    rmSync(out, { recursive: true });
  }, 120_000);
});
