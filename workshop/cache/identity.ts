/** Recognizes the cache: a stack remembers what is in it, but a user may delete or exchange the folder meanwhile. */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../checkout.ts";
import { createOnce } from "../createOnce.ts";

/** The same text as before, unless the folder was deleted or is another one: then what it contained must be made again. */
export function cacheIdentity(folder = cacheFolder): string {
  const file = join(folder, "identity");
  mkdirSync(folder, { recursive: true });
  createOnce(file, randomUUID, 0o644);
  return readFileSync(file, "utf8");
}
