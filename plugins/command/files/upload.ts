/**
 * Uploads a source to a machine by SFTP. A file with the same size and SHA-256 on the machine is not sent. Other files are
 * written to a temporary name and renamed, so that an incomplete file is never visible. Files that were removed from the source
 * remain on the machine.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Stats } from "ssh2";
import { abortReason, StepError } from "../errors.ts";
import type { Session } from "../ssh/session.ts";
import { contentHash, type Source, type SourceFile } from "./source.ts";
import { Sftp } from "./sftp.ts";

/** Permission bits of a new file without its own: a text. */
export interface TextMode {
  readonly mode: number;
}

/** The result of a copy, in numbers of files. */
export interface Uploaded {
  readonly sent: number;
  readonly unchanged: number;
}

/** Number of files sent concurrently; each file is sent in many concurrent requests. */
const filesAtOnce = 8;
/** Number of concurrent requests about files. */
const asksAtOnce = 64;

/** Copies a source to a remote path; rejects immediately when the signal is aborted. */
export async function upload(
  session: Session,
  source: Source,
  remotePath: string,
  text: TextMode,
  signal: AbortSignal,
): Promise<Uploaded> {
  const sftp = new Sftp(await session.sftp(signal));
  let stop: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(abortReason(signal));
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([copy(session, sftp, source, remotePath, text, signal), stopped]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
    sftp.end();
  }
}

async function copy(
  session: Session,
  sftp: Sftp,
  source: Source,
  remotePath: string,
  text: TextMode,
  signal: AbortSignal,
): Promise<Uploaded> {
  const { base, made } = await destination(sftp, source, remotePath);
  const at = (path: string): string => (path === "" ? base : posix.join(base, path));
  const newFolders: { path: string; mode: number | undefined }[] = [];
  for (const folder of source.folders) {
    if ((await sftp.makeFolders(at(folder.path))).length > 0)
      newFolders.push({ path: at(folder.path), mode: folder.mode });
  }
  const there = new Map<SourceFile, Stats | undefined>();
  // A folder that was just created is empty.
  if (made) for (const file of source.files) there.set(file, undefined);
  else {
    await inParallel(source.files, asksAtOnce, signal, async (file) => {
      const stats = await sftp.stat(at(file.path));
      if (stats?.isDirectory())
        throw new StepError(`${at(file.path)} on the machine is a folder, and a file is to be there`);
      there.set(file, stats);
    });
  }
  const same = await sameContent(
    session,
    source.files.filter((file) => there.get(file)?.size === file.size),
    at,
    signal,
  );
  const changed = source.files.filter((file) => !same.has(file));
  await inParallel([...same], asksAtOnce, signal, async (file) => {
    if (file.mode !== undefined && file.mode !== bits(there.get(file)))
      await sftp.chmod(at(file.path), file.mode);
  });
  await inParallel(changed, filesAtOnce, signal, (file) =>
    put(sftp, file, at(file.path), there.get(file), text),
  );
  // Last, because a folder's mode may not permit its owner to write; children first.
  for (const { path, mode } of newFolders.reverse()) if (mode !== undefined) await sftp.chmod(path, mode);
  return { sent: changed.length, unchanged: same.size };
}

/** The destination of the source; `made` if it is a folder that did not exist before. */
async function destination(
  sftp: Sftp,
  source: Source,
  remotePath: string,
): Promise<{ base: string; made: boolean }> {
  const there = await sftp.stat(remotePath);
  if (source.kind === "file") {
    // A slash at the end means a folder, as for cp and scp; a missing folder is created.
    const asFolder = remotePath.endsWith("/");
    if (asFolder && !there && source.name !== undefined)
      await sftp.makeFolders(remotePath.replace(/\/+$/, ""));
    if (there?.isDirectory() || asFolder) {
      if (source.name !== undefined) return { base: posix.join(remotePath, source.name), made: false };
      throw new StepError(
        `${remotePath} ${there ? "on the machine is" : "means"} a folder: a text needs a remotePath that is a file's`,
      );
    }
    const above = posix.dirname(remotePath);
    if (!there && above !== "." && above !== "/") await sftp.makeFolders(above);
    return { base: remotePath, made: false };
  }
  if (there && !there.isDirectory()) {
    throw new StepError(`${remotePath} on the machine is a file, and a folder is to be copied there`);
  }
  const base = source.name === undefined ? remotePath : posix.join(remotePath, source.name);
  return { base, made: (await sftp.makeFolders(base)).length > 0 };
}

function bits(stats: Stats | undefined): number | undefined {
  return stats && stats.mode & 0o7777;
}

/** Sends one file. */
async function put(
  sftp: Sftp,
  file: SourceFile,
  path: string,
  there: Stats | undefined,
  text: TextMode,
): Promise<void> {
  // A link stays a link: its target is replaced.
  const target = there ? await sftp.real(path) : path;
  const mode = file.mode ?? bits(there) ?? text.mode;
  // The same name each time, so that the next copy replaces the remains of an interrupted one.
  const mark = createHash("sha256").update(posix.basename(target)).digest("hex").slice(0, 16);
  const beside = posix.join(posix.dirname(target), `.pulumi-${mark}.new`);
  try {
    await sftp.write(beside, file.content, mode);
    if (there) {
      await sftp.tryChown(beside, there.uid, there.gid);
      await sftp.chmod(beside, mode);
    }
    await sftp.replace(beside, target);
  } catch (error) {
    await sftp.remove(beside);
    throw error;
  }
}

/** The files whose content is already on the remote machine, according to its sha256sum. */
async function sameContent(
  session: Session,
  files: readonly SourceFile[],
  at: (path: string) => string,
  signal: AbortSignal,
): Promise<Set<SourceFile>> {
  if (files.length === 0) return new Set();
  const paths = files.map((file) => at(file.path).replace(/^(?!\/)/, "./"));
  const [remote, local] = await Promise.all([
    // Without this program, or without a shell, nothing is printed, and everything is sent.
    session
      .ask("xargs -0 sha256sum", `${paths.join("\0")}\0`, {}, signal)
      .then(hashesByPath, () => new Map<string, string>()),
    Promise.all(files.map(contentHash)),
  ]);
  return new Set(files.filter((_, index) => remote.get(paths[index] ?? "") === local[index]));
}

/** Reads sha256sum's lines; it writes `\` before a line whose name it had to escape. */
function hashesByPath(text: string): Map<string, string> {
  const lines = [...text.matchAll(/^(\\?)([0-9a-f]{64}) [ *](.*)$/gm)];
  return new Map(
    lines.map(([, escaped, hash = "", name = ""]) => [
      escaped ? name.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter)) : name,
      hash,
    ]),
  );
}

/** Calls a function for each item, several concurrently; the first failure ends it. */
async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed && !signal.aborted) {
      try {
        await work(items[next++] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
