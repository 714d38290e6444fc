/** Records which checkouts use which entries of the cache, because several can share it and must not remove each other's. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder, checkout } from "../checkout.ts";

/** Folders of the cache whose entries are folders named by the hash of their recipe. */
export const kinds = [
  "images",
  "builder",
  "extensions",
  "programs",
  "neo4j",
  "ray-metrics",
  "packages",
  "ec2",
] as const;
export type Kind = (typeof kinds)[number];

export interface Use {
  readonly kind: Kind;
  readonly name: string;
  /** Root of the checkout. */
  readonly user: string;
}

/** Records that a checkout now uses an entry instead of its previous one of the same `sort`. */
export function noteUse(kind: Kind, sort: string, name: string, cache = cacheFolder, user = checkout): void {
  const folder = join(cache, "users", createHash("sha256").update(user).digest("hex").slice(0, 16));
  mkdirSync(folder, { recursive: true });
  const write = (file: string, text: string): void => {
    const beside = join(folder, `${file}.${process.pid}.new`);
    writeFileSync(beside, `${text}\n`);
    renameSync(beside, join(folder, file));
  };
  write("checkout", user);
  write(`${kind}.${sort}`, name);
  const entry = join(cache, kind, name);
  if (existsSync(entry)) utimesSync(entry, new Date(), new Date());
}

/** The last records of checkouts that still exist. */
export function usesOf(cache: string): Use[] {
  const users = join(cache, "users");
  if (!existsSync(users)) return [];
  return readdirSync(users).flatMap((id): Use[] => {
    const note = (file: string): string => readFileSync(join(users, id, file), "utf8").trim();
    const files = readdirSync(join(users, id)).filter((file) => !file.endsWith(".new"));
    if (!files.includes("checkout")) return [];
    const user = note("checkout");
    if (!existsSync(user)) return [];
    return files
      .filter((file) => file !== "checkout")
      .map((file) => ({ kind: file.slice(0, file.indexOf(".")) as Kind, name: note(file), user }));
  });
}
