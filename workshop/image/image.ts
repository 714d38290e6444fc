/**
 * Bakes the disk image of the local machines: Debian, the lab's packages and one kernel, bootable without an initrd. It is cached
 * under the hash of its inputs. It is created under a temporary name and renamed when complete, so that an interrupted bake never
 * looks like an image.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { kernels, type LocalKernel as Kernel } from "../../provisioning/kernels.ts";
import { pipForNodes } from "../pip.ts";
import { debianPackageNames, requirementsFile, userland, venv } from "../../provisioning/packages.ts";
import { noteUse } from "../cache/cacheUse.ts";
import { cacheFolder } from "../checkout.ts";
import { filesBelow } from "../files.ts";
import { freeBytes } from "../freeBytes.ts";
import { withLock } from "../lock.ts";
import { asBuilder, bootstrap, kernelScript, makingRoot, removeRoot } from "../debian/debian.ts";
import { keepPackageList } from "./updates.ts";

export interface Image {
  /** Root file system, raw ext4, sparse. Machines write to overlays and never to this. */
  readonly disk: string;
  /** The kernel that QEMU starts. */
  readonly kernel: string;
  /** `uname -r` of that kernel. */
  readonly release: string;
  /** Hash of the recipe. */
  readonly key: string;
}

/** Virtual size of the sparse file system: only written data uses disk space. */
const diskGiB = 20;
/** Peak disk usage of a bake: root, wheels and image together. */
const needGiB = 5;
const images = join(cacheFolder, "images");
const recipe = fileURLToPath(new URL("./recipe", import.meta.url));

/** Marks the time after which an image must be baked again, because Debian's archive changes without a change of the recipe. */
const renewalNote = (kernel: Kernel): string => join(images, `${kernel}.renewed`);

/** Makes the next use of a kernel's image bake a new one. Machines keep their image until then. */
export function renewImage(kernel: Kernel, now: Date): void {
  mkdirSync(images, { recursive: true });
  writeFileSync(renewalNote(kernel), `${now.toISOString()}\n`);
}

/** Hash of all inputs of an image. */
export function imageKey(kernel: Kernel): string {
  const hash = createHash("sha256");
  const { suite, image } = kernels[kernel];
  hash.update(JSON.stringify({ suite, image, userland, debianPackageNames, venv, diskGiB }));
  if (existsSync(renewalNote(kernel))) hash.update(readFileSync(renewalNote(kernel)));
  hash.update(readFileSync(requirementsFile));
  for (const file of [kernelScript, ...filesBelow(recipe)])
    hash.update(relative(recipe, file)).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** The cached image; undefined if it must be baked first. */
export function cachedImage(kernel: Kernel): Image | undefined {
  const key = imageKey(kernel);
  const folder = join(images, `${kernel}-${key}`);
  if (!existsSync(folder)) return undefined;
  const release = readFileSync(join(folder, "release"), "utf8").trim();
  return { disk: join(folder, "disk.raw"), kernel: join(folder, "vmlinuz"), release, key };
}

/** The image for a kernel, baked if it is not in the cache. `say` gets one line per step. */
export async function ensureImage(kernel: Kernel, say: (line: string) => void): Promise<Image> {
  noteUse("images", kernel, `${kernel}-${imageKey(kernel)}`);
  const ready = cachedImage(kernel);
  if (ready) return ready;
  await mkdir(images, { recursive: true });
  return await withLock(join(images, `${kernel}.lock`), say, async () => {
    const meanwhile = cachedImage(kernel);
    if (meanwhile) return meanwhile;
    await bake(kernel, say);
    const baked = cachedImage(kernel);
    if (!baked) throw new Error(`the image for ${kernel} was baked but is not in ${images}`);
    return baked;
  });
}

async function bake(kernel: Kernel, say: (line: string) => void): Promise<void> {
  // Only the holder of the lock bakes, so the remains of an earlier bake are not in use.
  for (const left of readdirSync(images).filter(
    (name) => name.startsWith(`${kernel}-`) && name.endsWith(".partial"),
  )) {
    await removeRoot(join(images, left, "root"));
    await rm(join(images, left), { recursive: true, force: true });
  }
  requireFreeSpace(images);
  const folder = join(images, `${kernel}-${imageKey(kernel)}`);
  const partial = `${folder}.partial`;
  const root = join(partial, "root");
  await mkdir(partial, { recursive: true });
  try {
    await makingRoot(root, (cancelSignal) => fill(kernel, partial, root, say, cancelSignal));
    await rename(partial, folder);
  } catch (error) {
    await rm(join(partial, "disk.raw"), { force: true });
    throw new Error(`the image for ${kernel} could not be baked: ${message(error)}`, { cause: error });
  }
}

/** The steps of a bake. The image's files end up in `folder`, and the root is removed. */
async function fill(
  kernel: Kernel,
  folder: string,
  root: string,
  say: (line: string) => void,
  cancelSignal: AbortSignal,
): Promise<void> {
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    cancelSignal.throwIfAborted();
    const start = Date.now();
    say(`image ${kernel}: ${name} ...`);
    await work();
    say(`image ${kernel}: ${name}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
  };
  const wheels = join(cacheFolder, "wheels");
  await step("Python packages", () => downloadWheels(wheels));
  const { suite, image } = kernels[kernel];
  await step("Debian packages, kernel, settings", () =>
    bootstrap({
      suite: userland,
      root,
      include: debianPackageNames,
      customizeHooks: [
        [join(recipe, "kernel.sh"), "ROOT", suite, image],
        [
          join(recipe, "customize.sh"),
          "ROOT",
          join(recipe, "files"),
          wheels,
          venv,
          fileURLToPath(requirementsFile),
        ],
      ],
      log: join(folder, "bake.log"),
      cancelSignal,
    }),
  );
  await step("disk", async () => {
    const release = await takeKernel(root, folder);
    await keepPackageList(root, folder);
    if (!kernels[kernel].release.test(release)) {
      throw new Error(
        `the kernel baked for ${kernel} is ${release}, which is not ${String(kernels[kernel].release)}`,
      );
    }
    const disk = join(folder, "disk.raw");
    const options = ["-q", "-t", "ext4", "-L", "lab", "-m", "1"];
    await asBuilder(["mke2fs", ...options, "-d", root, disk, `${diskGiB}G`]);
    await removeRoot(root);
  });
}

/** The wheels of requirements.txt, checked by hash, in `folder`. */
export async function downloadWheels(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const stamp = join(folder, "requirements.txt");
  const wanted = readFileSync(requirementsFile, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  await pipForNodes(["download", "-d", folder], fileURLToPath(requirementsFile));
  await writeFile(stamp, wanted);
}

/** Copies the root's only kernel to `folder` and notes its release there. */
export async function takeKernel(root: string, folder: string): Promise<string> {
  const names = await readdir(join(root, "boot"));
  const name = names.find((entry) => entry.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error(`no kernel in ${root}/boot`);
  const release = name.slice("vmlinuz-".length);
  await copyFile(join(root, "boot", name), join(folder, "vmlinuz"));
  await copyFile(join(root, "boot", `config-${release}`), join(folder, "config"));
  await writeFile(join(folder, "release"), `${release}\n`);
  return release;
}

function requireFreeSpace(folder: string): void {
  const free = freeBytes(folder) / 2 ** 30;
  if (free < needGiB) {
    throw new Error(
      `baking an image needs ${needGiB} GiB of free space in ${folder}, which has ${free.toFixed(1)} GiB. ` +
        `Free ${(needGiB - free).toFixed(1)} GiB, or remove old images with ./lab cache --prune`,
    );
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
