/**
 * The builder: a Debian root with clang, libbpf and, for each local kernel, its BTF and headers. Extensions are built in it, so
 * that the user's computer needs neither a compiler nor kernel headers, and builds are reproducible. The root and the builds are
 * cached under the hash of their inputs; they are created under a temporary name and renamed when complete.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { kernels, localKernelNames, type LocalKernel } from "../../provisioning/kernels.ts";
import { noteUse } from "../cache/cacheUse.ts";
import { makeOnce } from "../cache/makeOnce.ts";
import { bootstrap, kernelScript, makingRoot } from "../debian/debian.ts";
import { filesBelow } from "../files.ts";
import { cacheFolder, checkout } from "../checkout.ts";

/** Compilers and libraries. clang is pinned by its package's name, everything else by the suite's stable releases. */
const suite = "trixie";
const packages = [
  ...["clang-19", "llvm-19", "bpftool", "gcc", "gcc-12", "make", "pahole", "perl"],
  ...[
    "libbpf-dev",
    "libc6-dev",
    "libelf-dev",
    "libhiredis-dev",
    "libjansson-dev",
    "libssl-dev",
    "libzstd-dev",
  ],
  "zlib1g-dev",
  ...["kmod", "lz4", "xz-utils", "zstd"],
] as const;

const recipe = fileURLToPath(new URL("./recipe", import.meta.url));
const builders = join(cacheFolder, "builder");
const builds = join(cacheFolder, "extensions");

/** Hash of all inputs of the builder's root. */
export function builderKey(): string {
  const hash = createHash("sha256");
  const facts = localKernelNames.map(kernelWord);
  hash.update(JSON.stringify({ suite, packages, facts }));
  // run.sh works on the root and is no part of it.
  for (const file of [kernelScript, ...filesBelow(recipe)].filter((name) => !name.endsWith("/run.sh"))) {
    hash.update(relative(recipe, file)).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Hash of all inputs of a build of `source`. */
export function buildKey(source: string): string {
  const hash = createHash("sha256").update(builderKey());
  for (const file of sourcesBelow(source)) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(source, file)))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

/** The builder's root, if it is in the cache. */
export function builderRoot(): string | undefined {
  const root = join(builders, builderKey(), "root");
  return existsSync(root) ? root : undefined;
}

/** The builder's root, created if it is not in the cache. `say` gets one line per step. */
export async function ensureBuilder(say: (line: string) => void): Promise<string> {
  const folder = join(builders, builderKey());
  noteUse("builder", "root", builderKey());
  await makeOnce(folder, say, async (partial) => {
    const made = join(partial, "root");
    await timed(say, "builder: compilers, and BTF and headers of each kernel", () =>
      makingRoot(made, (cancelSignal) =>
        bootstrap({
          suite,
          root: made,
          include: packages,
          customizeHooks: [[join(recipe, "kernels.sh"), "ROOT", ...localKernelNames.map(kernelWord)]],
          log: join(partial, "bake.log"),
          cancelSignal,
        }),
      ),
    );
  });
  return join(folder, "root");
}

/**
 * Builds every extension of bpf/ for every local kernel: `KERNEL/EXTENSION/...` below the returned folder. Does nothing if the
 * same sources were built before.
 */
export async function buildExtensions(
  say: (line: string) => void,
  source = join(checkout, "bpf"),
): Promise<string> {
  const folder = join(builds, buildKey(source));
  noteUse("extensions", "build", buildKey(source));
  if (existsSync(folder)) return folder;
  const root = await ensureBuilder(say);
  await makeOnce(folder, say, (partial) =>
    timed(say, "extensions: make -C bpf", () =>
      runInBuilder(root, source, partial, ["make", "-j2", "-C", "/build/source"]),
    ),
  );
  return folder;
}

/** Runs a command in the builder on a copy of the folder `source` (/build/source); /build/out becomes the folder `out`. */
export async function runInBuilder(
  root: string,
  source: string,
  out: string,
  command: readonly string[],
): Promise<void> {
  const files = sourcesBelow(source);
  const archive = `${out}.source.tar`;
  const built = `${out}.tar`;
  const words = ["unshare", "--mount", "--propagation", "private", join(recipe, "run.sh"), root, ...command];
  try {
    await execa("tar", ["--no-recursion", "-C", source, "-cf", archive, ...files]);
    // In a user namespace, file owners in the root are the same as at its creation (debian.ts).
    const run = process.getuid?.() === 0 ? words : ["mmdebstrap", "--unshare-helper", ...words];
    // Let the shell open the files: streams of this process have failed half-way.
    const redirect = 'from=$1 to=$2; shift 2; exec "$@" <"$from" >"$to"';
    const result = await execa("sh", ["-c", redirect, "sh", archive, built, ...run], { reject: false });
    if (result.exitCode !== 0) {
      throw new Error(`${command.join(" ")} failed in the builder:\n${essence(result.stderr)}`);
    }
    await execa("tar", ["-C", out, "-xf", built]);
  } finally {
    await rm(archive, { force: true });
    await rm(built, { force: true });
  }
}

function kernelWord(name: LocalKernel): string {
  const { suite, image, headers } = kernels[name];
  return [name, suite, image, headers].join(":");
}

/** The sources of a build, without files left by make and Python tools, and without documents, tests and measurements. */
function sourcesBelow(source: string): string[] {
  const left = /(^|\/)(build|__pycache__|\.[^/]*)\//;
  return filesBelow(source)
    .map((file) => relative(source, file))
    .filter((file) => !left.test(file) && !/\.(md|ts|sh|py|toml|pml)$/.test(file));
}

/** The end of a program's output, after the lines that name errors: other jobs of make go on after one has failed. */
function essence(text: string): string {
  const lines = text.trimEnd().split("\n");
  const errors = lines.slice(0, -20).filter((line) => /\berror: |undefined reference|\*\*\* /.test(line));
  return [...errors.slice(0, 20), ...lines.slice(-20)].join("\n");
}

export async function timed(
  say: (line: string) => void,
  name: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const start = Date.now();
  say(`${name} ...`);
  await work();
  say(`${name}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
}
