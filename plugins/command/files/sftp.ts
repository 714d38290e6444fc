/** SFTP calls as promises, with errors that name the path and a solution. */
import type { SFTPWrapper, Stats } from "ssh2";
import { StepError } from "../errors.ts";

/** SFTP status codes, draft-ietf-secsh-filexfer-02, section 7. */
const codes = { noSuchFile: 2, permissionDenied: 3, failure: 4 } as const;

export class Sftp {
  readonly #sftp: SFTPWrapper;

  constructor(sftp: SFTPWrapper) {
    this.#sftp = sftp;
  }

  /** Facts about a path, following links; undefined if it does not exist. */
  async stat(path: string): Promise<Stats | undefined> {
    return await new Promise((resolve, reject) => {
      this.#sftp.stat(path, (error, stats) => {
        if (!error) resolve(stats);
        else if (codeOf(error) === codes.noSuchFile) resolve(undefined);
        else reject(failed("look at", path, error));
      });
    });
  }

  /** Creates a folder, and missing folders above it. Returns the created folders. */
  async makeFolders(path: string): Promise<string[]> {
    const there = await this.stat(path);
    if (there?.isDirectory()) return [];
    if (there) throw new StepError(`${path} on the machine is a file, and a folder is to be there`);
    const above = path.replace(/\/+[^/]+\/*$/, "");
    const made = above !== path && above !== "" ? await this.makeFolders(above) : [];
    try {
      await this.#call("make the folder", path, (done) => this.#sftp.mkdir(path, done));
    } catch (error) {
      // Another copy may have created it meanwhile.
      if (!(await this.stat(path))?.isDirectory()) throw error;
    }
    return [...made, path];
  }

  /** The path with links resolved. */
  async real(path: string): Promise<string> {
    return await new Promise((resolve, reject) => {
      this.#sftp.realpath(path, (error, real) => {
        if (error) reject(failed("look at", path, error));
        else resolve(real);
      });
    });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#call("set the permissions of", path, (done) => this.#sftp.chmod(path, mode, done));
  }

  /** Changes a file's owner; without the permission, the owner stays the same. */
  async tryChown(path: string, uid: number, gid: number): Promise<void> {
    await new Promise<void>((resolve) => this.#sftp.chown(path, uid, gid, () => resolve()));
  }

  /** Writes a file, and replaces its previous content. */
  async write(path: string, content: { file: string } | { text: string }, mode: number): Promise<void> {
    await this.#call("write", path, (done) => {
      if ("file" in content) this.#sftp.fastPut(content.file, path, { mode }, done);
      else this.#sftp.writeFile(path, content.text, { mode }, done);
    });
  }

  /** Replaces a file with another one atomically. */
  async replace(from: string, to: string): Promise<void> {
    try {
      await this.#call("replace", to, (done) => this.#sftp.ext_openssh_rename(from, to, done));
    } catch (error) {
      // Servers other than OpenSSH may not support this extension; SFTP's own rename does not replace files.
      if (!/not support/i.test(String(error))) throw error;
      await this.remove(to);
      await this.#call("rename to", to, (done) => this.#sftp.rename(from, to, done));
    }
  }

  /** Removes a file if it exists. */
  async remove(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#sftp.unlink(path, () => resolve()));
  }

  end(): void {
    this.#sftp.end();
  }

  async #call(
    what: string,
    path: string,
    call: (done: (error?: Error | null) => void) => void,
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      try {
        call((error) => (error ? reject(failed(what, path, error)) : resolve()));
      } catch (error) {
        reject(failed(what, path, error as Error));
      }
    });
  }
}

function codeOf(error: Error): unknown {
  return (error as Error & { code?: unknown }).code;
}

function failed(what: string, path: string, error: Error): StepError {
  const code = codeOf(error);
  const reason =
    code === codes.permissionDenied
      ? "permission denied; a copy is done by the login user, so let it go to a folder of that user and bring it to " +
        "its place by a command (sudo install -m)"
      : code === codes.failure
        ? "the server reports no more than a failure; is the disk full, or a folder in the way?"
        : error.message;
  return new StepError(`cannot ${what} ${path} on the machine: ${reason}`);
}
