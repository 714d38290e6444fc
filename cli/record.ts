/**
 * Reads Pulumi's state file of a stack directly, so that it works without the CLI, without the passphrase, and with a damaged
 * file. Only for the state in this checkout (.lab/state); a user's own backend is accessed by the CLI.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

export type StackRecord =
  | { readonly is: "absent" }
  /** It exists but cannot be read. */
  | { readonly is: "broken"; readonly file: string }
  | ({ readonly is: "whole"; readonly file: string } & Content);

export interface Content {
  readonly resources: readonly Resource[];
  /** Names of the resources that were being created when the record was written. */
  readonly pending: readonly string[];
}

/** Folder of the records of a file backend; undefined for others. */
export function recordFolder(backendUrl: string | undefined, project: string): string | undefined {
  if (!backendUrl?.startsWith("file:///")) return undefined;
  const state = fileURLToPath(backendUrl.replace(/[?#].*$/, "").replaceAll("%", "%25"));
  return join(state, ".pulumi", "stacks", project);
}

/** The names of all stacks with a record in a folder. */
export function recordedStacks(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => /^(.+)\.json(\.gz)?$/.exec(name)?.[1] ?? "")
    .filter((name) => name !== "");
}

/** The record of a stack in a folder of a file backend. */
export function readRecord(folder: string, stack: string): StackRecord {
  const file = [`${stack}.json`, `${stack}.json.gz`]
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  if (file === undefined) return { is: "absent" };
  try {
    const bytes = readFileSync(file);
    const text = file.endsWith(".gz") ? gunzipSync(bytes) : bytes;
    return { is: "whole", file, ...contentOf(text.toString("utf8")) };
  } catch {
    return { is: "broken", file };
  }
}

/** Parses the text of a record: a checkpoint of the file backend, or the output of `pulumi stack export`. */
export function contentOf(text: string): Content {
  interface Deployment {
    readonly resources?: Resource[] | null;
    readonly pending_operations?: { type: string; resource: { urn: string } }[] | null;
  }
  const stored = JSON.parse(text) as {
    readonly checkpoint?: { readonly latest?: Deployment | null };
    readonly deployment?: Deployment | null;
  };
  if (!stored.checkpoint && !("deployment" in stored)) throw new Error("no record of a stack");
  const deployment = stored.checkpoint?.latest ?? stored.deployment;
  const pending = (deployment?.pending_operations ?? []).filter(({ type }) => type === "creating");
  return {
    resources: deployment?.resources ?? [],
    pending: pending.map(({ resource }) => resource.urn.split("::").at(-1) ?? ""),
  };
}

/** Output of a local lab's network resource, which describes the computer's part of it (stacks/local/main.ts). */
export interface LocalPart {
  /** Name of the stack at its last `up`. */
  readonly stack: string;
  readonly owner?: string;
  /** Host name and machine id of the computer with the machines. */
  readonly host?: string;
  readonly computer?: string;
}

/** The local part of a stack; undefined if its record has none. */
export function localPart(resources: readonly Resource[]): LocalPart | undefined {
  const network = resources.find(
    ({ urn, type }) => type === "command:local:Command" && urn.endsWith("::network"),
  );
  const text = network?.outputs?.stdout;
  try {
    return typeof text === "string" ? (JSON.parse(text) as LocalPart) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a record contains resources that are not on this computer. */
export function hasMoreThanLocal(resources: readonly Resource[]): boolean {
  return resources.some(({ type }) => type.startsWith("aws:"));
}

/** Moves an unusable record out of the backend, without deleting it. @returns its new path */
export function setAside(file: string, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const aside = join(folder, `${basename(file)}.${new Date().toISOString().replaceAll(":", "-")}`);
  renameSync(file, aside);
  for (const beside of [`${file}.attrs`, `${file}.bak`].filter((path) => existsSync(path)))
    renameSync(beside, `${aside}.${beside.endsWith("bak") ? "bak" : "attrs"}`);
  return aside;
}
