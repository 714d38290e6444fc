/**
 * Creates Debian roots with mmdebstrap: directly as root, or else in a user namespace. Archive addresses are not configured here:
 * mmdebstrap knows Debian's, and uses the computer's apt settings.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { quote } from "../../provisioning/shell.ts";

export interface BootstrapArgs {
  /** Debian suite: trixie. */
  readonly suite: string;
  /** Folder to create; must not exist. */
  readonly root: string;
  readonly include: readonly string[];
  /** Commands run when the packages are installed; the word ROOT stands for the root's path. */
  readonly customizeHooks?: readonly (readonly string[])[];
  /** File that gets all output; its last lines are in the error. */
  readonly log: string;
  /** Aborts the creation. */
  readonly cancelSignal: AbortSignal;
}

/** Script shared by the hooks that install a kernel in a root; an input of the root's hash. */
export const kernelScript = fileURLToPath(new URL("./debianKernel.sh", import.meta.url));

const asRoot = process.getuid?.() === 0;

/** Creates a Debian root. */
export async function bootstrap(args: BootstrapArgs): Promise<void> {
  const hooks = (args.customizeHooks ?? []).map(
    (words) => `--customize-hook=${words.map((word) => (word === "ROOT" ? '"$1"' : quote(word))).join(" ")}`,
  );
  const result = await execa(
    "mmdebstrap",
    [
      "--variant=apt",
      `--mode=${asRoot ? "root" : "unshare"}`,
      "--format=directory",
      `--include=${args.include.join(",")}`,
      // Nothing on a node reads these files, and they take a third of the time for unpacking.
      "--dpkgopt=path-exclude=/usr/share/man/*",
      "--dpkgopt=path-exclude=/usr/share/doc/*",
      "--dpkgopt=path-exclude=/usr/share/locale/*",
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=DPkg::Options "--force-unsafe-io"',
      ...hooks,
      args.suite,
      args.root,
    ],
    {
      reject: false,
      all: true,
      stdin: "ignore",
      maxBuffer: 64 * 1024 * 1024,
      stdout: { file: args.log },
      stderr: { file: args.log },
      cancelSignal: args.cancelSignal,
      // The programs that it runs in the root end with it, which takes some seconds.
      forceKillAfterDelay: 30_000,
    },
  );
  if (result.exitCode === 0) return;
  const lines = (await execa("tail", ["-n", "12", args.log])).stdout;
  throw new Error(
    `mmdebstrap ended with status ${String(result.exitCode ?? result.signal)}; the end of ${args.log}:\n${lines}`,
  );
}

/**
 * Runs `work`, which creates a root, and removes the root if `work` fails or if a signal ends this process. `work` must stop
 * early when its own signal is aborted. After a kill, the root stays until the next attempt removes it.
 */
export async function makingRoot<T>(
  root: string,
  work: (cancelSignal: AbortSignal) => Promise<T>,
  remove: (root: string) => Promise<void> = removeRoot,
): Promise<T> {
  const controller = new AbortController();
  const end = (signal: NodeJS.Signals): void => {
    controller.abort(new Error(`ended by ${signal}`));
  };
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, end);
  try {
    const made = await work(controller.signal);
    controller.signal.throwIfAborted();
    return made;
  } catch (error) {
    await remove(root);
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
}

/** Runs a command with the same mapping of file owners with which the root was created. */
export async function asBuilder(command: readonly [string, ...string[]]): Promise<void> {
  const words = asRoot ? command : (["mmdebstrap", "--unshare-helper", ...command] as const);
  await execa(words[0], words.slice(1), { stdin: "ignore" });
}

/** Removes a root, whatever the owners of its files. */
export async function removeRoot(root: string): Promise<void> {
  if (!existsSync(root)) return;
  if (asRoot) await rm(root, { recursive: true, force: true });
  else await asBuilder(["rm", "-rf", root]);
}
