/**
 * Builds the benchmark's program (benchmarks/loops) once for all nodes, as a static binary. It needs a C compiler but no kernel
 * files, so a run without extensions does not wait for the builder: if the builder is not in the cache, a small root with a
 * compiler is created, used once and removed.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { noteUse } from "../cache/cacheUse.ts";
import { makeOnce } from "../cache/makeOnce.ts";
import { cacheFolder, checkout } from "../checkout.ts";
import { bootstrap, makingRoot, removeRoot } from "../debian/debian.ts";
import { builderRoot, runInBuilder, timed } from "./builder.ts";

const suite = "trixie";
const packages = ["gcc", "libc6-dev"] as const;
const flags = ["-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-static", "-s"] as const;

const programs = join(cacheFolder, "programs");
const source = join(checkout, "benchmarks", "loops");

/** Hash of all inputs of the build. */
export function loopsKey(): string {
  const hash = createHash("sha256").update(JSON.stringify({ suite, packages, flags }));
  hash.update(readFileSync(join(source, "loops.c")));
  return hash.digest("hex").slice(0, 16);
}

/** The folder with the program `loops`, built now if it is not in the cache. */
export async function buildLoops(say: (line: string) => void): Promise<string> {
  const folder = join(programs, loopsKey());
  noteUse("programs", "loops", loopsKey());
  await makeOnce(folder, say, (partial) => timed(say, "the benchmark's program", () => compile(partial)));
  return folder;
}

async function compile(out: string): Promise<void> {
  const command = ["gcc", ...flags, "/build/source/loops.c", "-o", "/build/out/loops"];
  const existing = builderRoot();
  if (existing !== undefined) {
    await runInBuilder(existing, source, out, command);
    return;
  }
  const work = `${out}.root`;
  const root = join(work, "root");
  await mkdir(work);
  await makingRoot(root, (cancelSignal) =>
    bootstrap({ suite, root, include: packages, log: join(work, "bake.log"), cancelSignal }),
  );
  await runInBuilder(root, source, out, command);
  await removeRoot(root);
  await rm(work, { recursive: true });
}
