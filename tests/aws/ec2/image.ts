/**
 * A machine image like Debian's for EC2, with cloud-init, which queries the metadata service. `bare` has nothing of the lab, so its
 * first boot installs everything from the package registries. `installed` already has the node's packages, so its first boot
 * downloads nothing and takes one minute in place of ten.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { kernels } from "../../../provisioning/kernels.ts";
import { debianPackageNames, requirementsFile, userland, venv } from "../../../provisioning/packages.ts";
import { noteUse } from "../../../workshop/cache/cacheUse.ts";
import {
  asBuilder,
  bootstrap,
  kernelScript,
  makingRoot,
  removeRoot,
} from "../../../workshop/debian/debian.ts";
import { filesBelow } from "../../../workshop/files.ts";
import { downloadWheels, takeKernel, type Image } from "../../../workshop/image/image.ts";
import { withLock } from "../../../workshop/lock.ts";
import { cacheFolder } from "../../../workshop/checkout.ts";

export type Ec2Image = "bare" | "installed";

/** Packages that an image needs before cloud-init can run. */
const bare = [
  "ca-certificates",
  "cloud-guest-utils",
  "cloud-init",
  "dbus",
  "dhcpcd-base",
  "iproute2",
  "kmod",
  "libnss-myhostname",
  "openssh-server",
  "sudo",
  "systemd-resolved",
  "systemd-sysv",
  "udev",
];
const kernel = "debian-13";
const folder = join(cacheFolder, "ec2");
const recipe = fileURLToPath(new URL(".", import.meta.url));
const kernelHook = fileURLToPath(new URL("../../../workshop/image/recipe/kernel.sh", import.meta.url));

function imageKey(kind: Ec2Image): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify({ kind, bare, kernel: kernels[kernel], userland, debianPackageNames, venv }));
  const files = [
    join(recipe, "customize.sh"),
    kernelHook,
    kernelScript,
    ...filesBelow(join(recipe, "files")),
  ];
  hash.update(readFileSync(requirementsFile));
  for (const file of files) hash.update(relative(recipe, file)).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** The image, baked if it is not in the cache. */
export async function ensureEc2Image(kind: Ec2Image, say: (line: string) => void): Promise<Image> {
  const key = imageKey(kind);
  const made = join(folder, `${kind}-${key}`);
  noteUse("ec2", kind, `${kind}-${key}`);
  await mkdir(folder, { recursive: true });
  await withLock(join(folder, `${kind}.lock`), say, async () => {
    if (!existsSync(made)) await bake(kind, made, say);
  });
  const release = readFileSync(join(made, "release"), "utf8").trim();
  return { disk: join(made, "disk.raw"), kernel: join(made, "vmlinuz"), release, key };
}

async function bake(kind: Ec2Image, made: string, say: (line: string) => void): Promise<void> {
  const partial = `${made}.partial`;
  const root = join(partial, "root");
  await removeRoot(root);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  say(`image for EC2, ${kind}: baked ...`);
  const wheels = join(cacheFolder, "wheels");
  if (kind === "installed") await downloadWheels(wheels);
  const { suite, image } = kernels[kernel];
  await makingRoot(root, async (cancelSignal) => {
    await bootstrap({
      suite: userland,
      root,
      include: kind === "bare" ? bare : [...new Set([...bare, ...debianPackageNames])],
      customizeHooks: [
        [kernelHook, "ROOT", suite, image],
        [
          ...[join(recipe, "customize.sh"), "ROOT", join(recipe, "files")],
          ...(kind === "installed" ? [wheels, venv, fileURLToPath(requirementsFile)] : []),
        ],
      ],
      log: join(partial, "bake.log"),
      cancelSignal,
    });
    await takeKernel(root, partial);
    await asBuilder(["mke2fs", "-q", "-t", "ext4", "-m", "1", "-d", root, join(partial, "disk.raw"), "20G"]);
    await removeRoot(root);
  });
  await rename(partial, made);
}
