/** Recognizes the cache: a stack remembers what is in it, but a user may delete or exchange the folder meanwhile. */
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../checkout.ts";

/** The same text as before, unless the folder was deleted or is another one: then what it contained must be made again. */
export function cacheIdentity(folder = cacheFolder): string {
  const file = join(folder, "identity");
  const own = `${file}.${randomUUID()}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(own, randomUUID());
  try {
    // Two labs may do this at once: the first one's stays, and it appears whole.
    linkSync(own, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(own);
  }
  return readFileSync(file, "utf8");
}
