/**
 * Runs apt with lists, cache and sources in a separate folder, to query and download packages for other systems without reading
 * or changing this computer's packages. It uses the proxies and certificates of this computer's apt.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

export interface Apt {
  /** Its folder: `status` is dpkg's list of installed packages, `sources.list` its sources; both are initially empty. */
  readonly folder: string;
  /** Runs `apt-get`. @throws Error with apt's message */
  get(...args: readonly string[]): Promise<string>;
  /** Downloads a file with apt's downloader. @throws Error with apt's message */
  file(url: string, path: string, ...options: readonly string[]): Promise<void>;
}

/** Runs `work` with a new, empty apt; its folder is created in `parent`, and removed at the end. */
export async function withApt<T>(work: (apt: Apt) => Promise<T>, parent = tmpdir()): Promise<T> {
  const folder = await mkdtemp(join(parent, "disgrafs-apt-"));
  try {
    for (const name of ["lists/partial", "cache/archives/partial", "none"])
      await mkdir(join(folder, name), { recursive: true });
    for (const name of ["extended_states", "status", "sources.list"]) await writeFile(join(folder, name), "");
    const options = {
      "Dir::State": folder,
      "Dir::State::status": join(folder, "status"),
      "Dir::State::lists": join(folder, "lists"),
      "Dir::Cache": join(folder, "cache"),
      "Dir::Etc::sourcelist": join(folder, "sources.list"),
      "Dir::Etc::sourceparts": join(folder, "none"),
      "Dir::Etc::preferences": join(folder, "none"),
      "Dir::Etc::preferencesparts": join(folder, "none"),
      "APT::Architecture": "amd64",
      "APT::Architectures": "amd64",
      "APT::Sandbox::User": "",
      "Acquire::Languages": "none",
      "Debug::NoLocking": "1",
    };
    const words = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    const run = async (program: string, args: readonly string[]): Promise<string> => {
      const result = await execa(program, ["-q", ...words, ...args], {
        cwd: folder,
        stdin: "ignore",
        env: { LC_ALL: "C" },
        reject: false,
      });
      if (result.exitCode === 0) return result.stdout;
      throw new Error(result.stderr || result.shortMessage);
    };
    return await work({
      folder,
      get: (...args) => run("apt-get", args),
      async file(url, path, ...args) {
        await run("/usr/lib/apt/apt-helper", [...args, "download-file", url, path]);
      },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
