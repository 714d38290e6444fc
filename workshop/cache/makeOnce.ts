/** Creates a folder of the cache once for all its users, under a temporary name, and renames it when it is complete. */
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { removeRoot } from "../debian/debian.ts";
import { withLock } from "../lock.ts";

/**
 * Creates a folder if it does not exist. Its parent contains only such folders, and only one of them is created at a time.
 * @param make fills an empty folder; it may create a Debian root in `root`
 */
export async function makeOnce(
  folder: string,
  say: (line: string) => void,
  make: (partial: string) => Promise<void>,
): Promise<void> {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  await withLock(join(parent, "lock"), say, async () => {
    if (existsSync(folder)) return;
    // Only the holder of the lock creates one, so the remains of an earlier attempt are not in use.
    for (const left of readdirSync(parent).filter((name) => name.includes(".partial"))) {
      await removeRoot(join(parent, left, "root"));
      await rm(join(parent, left), { recursive: true, force: true });
    }
    const partial = join(parent, `${basename(folder)}.partial`);
    await mkdir(partial);
    await make(partial);
    await rename(partial, folder);
  });
}
