/**
 * Finds updates in Debian's archive that a cached image lacks, because an image is baked once and then kept. apt compares, in a
 * separate folder, with the image's list of packages and its sources.
 */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { withApt } from "../debian/apt.ts";

/** Names of files next to the image's disk. */
const [statusFile, sourcesFile] = ["dpkg-status", "sources.list"];

export interface Update {
  readonly name: string;
  readonly installed: string;
  readonly available: string;
  /** It comes from the archive's security suite. */
  readonly security: boolean;
}

/** Saves a root's packages and sources for `updatesOf`. */
export async function keepPackageList(root: string, folder: string): Promise<void> {
  await copyFile(join(root, "var/lib/dpkg/status"), join(folder, statusFile));
  await copyFile(join(root, "etc/apt/sources.list"), join(folder, sourcesFile));
}

/**
 * Asks Debian's archive, which takes seconds and about 10 MB.
 * @param folder of an image
 * @returns undefined for an image that was baked before package lists were kept
 * @throws Error with apt's message if the archive cannot be reached
 */
export async function updatesOf(folder: string): Promise<readonly Update[] | undefined> {
  if (!existsSync(join(folder, statusFile))) return undefined;
  return await withApt(async (apt) => {
    await copyFile(join(folder, statusFile), join(apt.folder, "status"));
    await copyFile(join(folder, sourcesFile), join(apt.folder, "sources.list"));
    try {
      // Otherwise a source that does not answer is only a warning, and an old image looks current.
      await apt.get("-o", "APT::Update::Error-Mode=any", "update");
      return parseUpgrade(await apt.get("-s", "dist-upgrade"));
    } catch (error) {
      throw new Error(`Debian's archive could not be queried; apt-get says:\n${(error as Error).message}`, {
        cause: error,
      });
    }
  });
}

/** Parses the updates from the output of `apt-get -s dist-upgrade`. */
export function parseUpgrade(text: string): Update[] {
  return [...text.matchAll(/^Inst (\S+) \[([^\]]+)\] \((\S+) ([^)]*)\)/gm)].map(
    ([, name = "", installed = "", available = "", origin = ""]) => ({
      name,
      installed,
      available,
      security: /security/i.test(origin),
    }),
  );
}
