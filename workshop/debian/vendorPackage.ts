/**
 * Downloads a vendor's Debian package to the cache, for machines without Internet access. apt checks that the repository's index
 * is signed by the pinned key, and that the package matches the index.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VendorPackage } from "../../provisioning/vendorPackage.ts";
import { noteUse } from "../cache/cacheUse.ts";
import { cacheFolder } from "../checkout.ts";
import { withLock } from "../lock.ts";
import { withApt, type Apt } from "./apt.ts";

/** Name of its folder in the cache, derived from all its inputs. */
export function packageKey(wanted: VendorPackage): string {
  return `${wanted.name}-${createHash("sha256").update(JSON.stringify(wanted)).digest("hex").slice(0, 16)}`;
}

const fileOf = (wanted: VendorPackage, cache: string): string =>
  join(cache, "packages", packageKey(wanted), `${wanted.name}.deb`);

/**
 * Why a package cannot be downloaded here, in one line; undefined if it can. Requests the repository's key and index, unless
 * the package is in the cache.
 */
export async function whyUnavailable(
  wanted: VendorPackage,
  cache = cacheFolder,
): Promise<string | undefined> {
  if (existsSync(fileOf(wanted, cache))) return undefined;
  try {
    await withApt(async (apt) => {
      await find(apt, wanted);
    });
    return undefined;
  } catch (error) {
    return oneLine((error as Error).message);
  }
}

/** The package's file, downloaded if it is not in the cache. */
export async function ensurePackage(
  wanted: VendorPackage,
  say: (line: string) => void,
  cache = cacheFolder,
): Promise<string> {
  const file = fileOf(wanted, cache);
  const packages = join(cache, "packages");
  const folder = join(packages, packageKey(wanted));
  noteUse("packages", wanted.name, packageKey(wanted), cache);
  if (existsSync(file)) return file;
  await mkdir(packages, { recursive: true });
  return await withLock(join(packages, `${wanted.name}.lock`), say, async () => {
    if (existsSync(file)) return file;
    const partial = `${folder}.partial`;
    // Only the holder of the lock creates one, so the remains of an earlier attempt are not in use.
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    try {
      await withApt(async (apt) => {
        await find(apt, wanted);
        say(`downloading ${wanted.name} ${wanted.version} from ${wanted.repository}`);
        await apt.get("download", `${wanted.name}=${wanted.version}`);
        const [made] = (await readdir(apt.folder)).filter((name) => name.endsWith(".deb"));
        if (made === undefined) throw new Error(`apt downloaded nothing`);
        await rename(join(apt.folder, made), join(partial, `${wanted.name}.deb`));
      }, partial);
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw new Error(
        `${wanted.name} ${wanted.version} could not be downloaded from ${wanted.repository}: ${oneLine((error as Error).message)}`,
        { cause: error },
      );
    }
    await rename(partial, folder);
    return file;
  });
}

/** Configures apt with the repository's key and index; throws if the index is not signed by that key, or lacks the version. */
async function find(apt: Apt, wanted: VendorPackage): Promise<void> {
  const { name, version, repository, suite, key, fingerprint } = wanted;
  const keyring = join(apt.folder, "key.asc");
  // A host that does not answer must not delay a preview for long.
  const soon = [
    "-o",
    "Acquire::Retries=0",
    "-o",
    "Acquire::http::Timeout=10",
    "-o",
    "Acquire::https::Timeout=10",
  ];
  await apt.file(`${repository}/${key}`, keyring, ...soon);
  await writeFile(
    join(apt.folder, "sources.list"),
    `deb [arch=amd64 signed-by=${keyring},${fingerprint}] ${repository} ${suite} main\n`,
  );
  await apt.get(...soon, "-o", "APT::Update::Error-Mode=any", "update");
  await apt.get("--print-uris", "download", `${name}=${version}`);
}

/** The first error in apt's output, which causes the others. */
function oneLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const first = lines.find((line) => line.startsWith("E: ")) ?? lines[0] ?? "apt printed nothing";
  return first.replace(/^E: /, "").replaceAll(/\s+/g, " ");
}
