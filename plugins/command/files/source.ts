/** The source of a copy: reads an asset or an archive into a list of folders and files. */
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { message, StepError } from "../errors.ts";
import { sha256 } from "../globbed.ts";
import type { Archive, Asset } from "../wire.ts";

export interface SourceFile {
  /** Relative to the source, with `/`; empty if the source is this file. */
  readonly path: string;
  /** Permission bits; undefined if there are none to preserve (a text). */
  readonly mode: number | undefined;
  /** In bytes. */
  readonly size: number;
  readonly content: { readonly file: string } | { readonly text: string };
}

export interface SourceFolder {
  readonly path: string;
  readonly mode: number | undefined;
}

export interface Source {
  /** A folder lands in the remote folder, a file at the remote path. */
  readonly kind: "file" | "folder";
  /**
   * Name that the source keeps: that of a folder given without `/` at its end, or of a file that is copied to an
   * existing folder. Undefined where it has none: `dir/`, a text, an archive put together from assets.
   */
  readonly name: string | undefined;
  /** Folders below the source, without the source itself; a parent comes before its children. */
  readonly folders: readonly SourceFolder[];
  readonly files: readonly SourceFile[];
}

/** Reads an asset or archive. Symbolic links are followed. */
export async function readSource(source: Asset | Archive): Promise<Source> {
  if (source.uri)
    throw new StepError("an asset or archive by its address (URI) cannot be copied: fetch it first");
  if (source.kind === "asset" && source.text !== undefined) {
    return { kind: "file", name: undefined, folders: [], files: [textFile("", source.text)] };
  }
  if (source.path) return await readPath(source.path);
  if (source.kind === "archive" && source.assets) return await readAssets(source.assets);
  throw new StepError("the asset or archive is empty");
}

/** Hex SHA-256 of everything that a copy transfers: names, permission bits and contents. */
export async function sourceHash(source: Source): Promise<string> {
  const lines = await Promise.all(
    source.files.map(async (file) => `${file.path}\0${file.mode ?? ""}\0${await contentHash(file)}`),
  );
  const all = [source.kind, source.name ?? "", ...source.folders.map((folder) => folder.path), ...lines];
  return createHash("sha256").update(all.join("\n")).digest("hex");
}

/** Hex SHA-256 of a file's content. */
export async function contentHash({ content }: SourceFile): Promise<string> {
  return "file" in content
    ? await sha256(content.file)
    : createHash("sha256").update(content.text, "utf8").digest("hex");
}

function textFile(path: string, text: string): SourceFile {
  return { path, mode: undefined, size: Buffer.byteLength(text), content: { text } };
}

async function readPath(path: string): Promise<Source> {
  const facts = await look(path);
  if (!facts.isDirectory()) {
    return { kind: "file", name: basename(path), folders: [], files: [file("", path, facts)] };
  }
  const { folders, files } = await walk(path, "", []);
  return {
    kind: "folder",
    name: path.endsWith("/") ? undefined : basename(await realpathOf(path)),
    folders,
    files,
  };
}

/** The name of `.` or `..` is that of the folder that it refers to. */
async function realpathOf(path: string): Promise<string> {
  return /(^|\/)\.{1,2}$/.test(path) ? await realpath(path) : path;
}

interface Tree {
  readonly folders: SourceFolder[];
  readonly files: SourceFile[];
}

async function walk(folder: string, prefix: string, above: readonly string[]): Promise<Tree> {
  const real = await realpath(folder);
  if (above.includes(real))
    throw new StepError(`the symbolic link ${folder} leads back to a folder that it is in`);
  const tree: Tree = { folders: [], files: [] };
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const facts = await look(path);
    if (!facts.isDirectory()) {
      tree.files.push(file(prefix + name, path, facts));
      continue;
    }
    const inner = await walk(path, `${prefix}${name}/`, [...above, real]);
    tree.folders.push({ path: prefix + name, mode: facts.mode & 0o7777 }, ...inner.folders);
    tree.files.push(...inner.files);
  }
  return tree;
}

async function readAssets(assets: Readonly<Record<string, Asset | Archive>>): Promise<Source> {
  const folders = new Map<string, SourceFolder>();
  const files: SourceFile[] = [];
  for (const [name, asset] of Object.entries(assets)) {
    const path = name
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/");
    if (path.split("/").includes("..")) throw new StepError(`the archive's name ${name} leads out of it`);
    const inner = await readSource(asset);
    path
      .split("/")
      .slice(0, -1)
      .reduce((above, part) => {
        const folder = above + part;
        if (!folders.has(folder)) folders.set(folder, { path: folder, mode: undefined });
        return `${folder}/`;
      }, "");
    if (inner.kind === "folder") folders.set(path, { path, mode: undefined });
    for (const folder of inner.folders)
      folders.set(`${path}/${folder.path}`, { ...folder, path: `${path}/${folder.path}` });
    for (const entry of inner.files)
      files.push({ ...entry, path: entry.path === "" ? path : `${path}/${entry.path}` });
  }
  const sorted = [...folders.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { kind: "folder", name: undefined, folders: sorted, files };
}

async function look(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new StepError(
      missing
        ? `${path} does not exist, or is a symbolic link to nothing`
        : `${path} cannot be read: ${message(error)}`,
    );
  }
}

function file(path: string, file: string, facts: Stats): SourceFile {
  if (!facts.isFile()) throw new StepError(`${file} is neither a file nor a folder`);
  return { path, mode: facts.mode & 0o7777, size: facts.size, content: { file } };
}
