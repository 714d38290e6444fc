/**
 * One cell of the teardown matrix: a lab of one machine is brought up, something goes wrong at a moment of `up` or `down`, and then
 * one `./lab down` must leave nothing, which is checked without the lab's code, and `up` must work again.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { environment, labIn, upIn, type Run } from "./copiedCheckout.ts";
import { linksOf } from "./openFiles.ts";

const lab = (folder: string, ...parts: string[]): string => join(folder, ".lab", ...parts);
const stackPart = (folder: string, ...parts: string[]): string => lab(folder, "stacks", "local", ...parts);
const record = (folder: string): string => lab(folder, "state/.pulumi/stacks/disgrafs-lab/local.json");

/** Moments, recognised by the files on the disk. Each is a boundary between two resources, or within one. */
export const momentsOfUp: Readonly<Record<string, (folder: string) => boolean>> = {
  "the engine has begun": (folder) =>
    existsSync(lab(folder, "state/.pulumi/locks/organization/disgrafs-lab/local")),
  "the owner's mark is there": (folder) => existsSync(stackPart(folder, "owner.json")),
  "the switch listens": (folder) => existsSync(stackPart(folder, "network/s")),
  "the switch is noted": (folder) => existsSync(stackPart(folder, "network/state.json")),
  "the login key is there": (folder) => existsSync(stackPart(folder, "login_key")),
  "the host key is there": (folder) => existsSync(stackPart(folder, "machines/m-host_key")),
  "the machine's folder is there": (folder) => existsSync(stackPart(folder, "machines/m")),
  "the machine's disk is there": (folder) => existsSync(stackPart(folder, "machines/m/root.qcow2")),
  "QEMU runs": (folder) => existsSync(stackPart(folder, "machines/m/qmp.sock")),
  "the machine is noted": (folder) => existsSync(stackPart(folder, "machines/m/state.json")),
};

const momentsOfDown: Readonly<Record<string, (folder: string) => boolean>> = {
  "the engine has begun": momentsOfUp["the engine has begun"]!,
  "the machine is gone": (folder) => !existsSync(stackPart(folder, "machines/m")),
  "a key is gone": (folder) => !existsSync(stackPart(folder, "machines/m-host_key")),
  "the switch is gone": (folder) => !existsSync(stackPart(folder, "network")),
};

/** The cells of the matrix: each moment of `up` and of `down`. */
export const cells = [
  ...Object.entries(momentsOfUp).map(([moment, holds]) => ({ command: "up" as const, moment, holds })),
  ...Object.entries(momentsOfDown).map(([moment, holds]) => ({ command: "down" as const, moment, holds })),
];

/** Parts of a lab that can be lost while it is up. */
export const losses: Readonly<Record<string, (folder: string) => void>> = {
  "the state": (folder) => rmSync(lab(folder, "state"), { recursive: true }),
  "the passphrase": (folder) => rmSync(lab(folder, "passphrase")),
  "half of the state's file": (folder) => {
    const text = readFileSync(record(folder), "utf8");
    writeFileSync(record(folder), text.slice(0, text.length / 2));
  },
  "all of .lab": (folder) => rmSync(lab(folder), { recursive: true }),
  "the notes of its processes": (folder) => {
    for (const part of ["network", "machines/m"]) writeFileSync(stackPart(folder, part, "state.json"), "");
  },
};

type Command = "up" | "down";

/** Starts `pulumi up` or `./lab down` in a separate process group; its output is available at its end. */
function begin(folder: string, command: Command): { child: ChildProcess; ended: Promise<Run> } {
  const up =
    'eval "$(node cli/main.ts env)" && exec pulumi up --yes --skip-preview --non-interactive --stack local';
  const child = spawn("bash", ["-c", command === "up" ? up : "exec node cli/main.ts down"], {
    cwd: folder,
    env: environment(folder),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece: Buffer) => (output += piece.toString()));
  const ended = once(child, "close").then(([code]) => ({ exitCode: (code as number | null) ?? 255, output }));
  return { child, ended };
}

type Moment = (folder: string) => boolean;

async function until(child: ChildProcess, holds: () => boolean): Promise<void> {
  while (!holds() && child.exitCode === null) await sleep(5);
}

/** Runs `pulumi up` or `./lab down`, and sends its whole process group a signal at a moment, or at its end. */
export async function interruptAt(
  folder: string,
  command: Command,
  holds: Moment,
  signal: "SIGINT" | "SIGKILL",
): Promise<void> {
  const { child, ended } = begin(folder, command);
  await until(child, () => holds(folder));
  if (child.exitCode === null) process.kill(-child.pid!, signal);
  await ended;
}

/**
 * Runs `pulumi up` or `./lab down` with `.lab` on a small disk, which is full from a moment on until the command has ended. Returns
 * the exit code and output. Needs root.
 */
export async function fillDiskAt(folder: string, command: Command, holds: Moment): Promise<Run> {
  const { child, ended } = begin(folder, command);
  let free = (): void => undefined;
  try {
    await until(child, () => holds(folder));
    if (child.exitCode !== null) throw new Error(`it had ended before that moment:\n${(await ended).output}`);
    free = fillDisk(folder);
    return await ended;
  } finally {
    free();
  }
}

/** Fills the disk with `.lab`. Returns a function that frees it. */
export function fillDisk(folder: string): () => void {
  const filler = lab(folder, "filler");
  fill(filler);
  return () => rmSync(filler, { force: true });
}

/** Puts `.lab` on a separate disk of so many MiB. Returns a function that removes the disk. */
export function onSmallDisk(folder: string, size: number): () => void {
  mkdirSync(lab(folder));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}m,mode=0700`, "tmpfs", lab(folder)]);
  return () => execFileSync("umount", [lab(folder)]);
}

/** Fills the disk completely. */
function fill(file: string): void {
  const descriptor = openSync(file, "w");
  try {
    for (let size = 1 << 20; size >= 1; size >>= 1) {
      const piece = Buffer.alloc(size);
      try {
        while (writeSync(descriptor, piece) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Brings the lab down and up again, as a user would. Throws if anything is left, or if `up` fails. */
export async function expectGone(folder: string): Promise<void> {
  const { exitCode, output } = await labIn(folder, "down");
  const left = leftOf(folder);
  if (left.length > 0)
    throw new Error(`left after down (${exitCode}):\n${left.join("\n")}\n${output.slice(-3000)}`);
  // If there was nothing yet, the command says that in place of the count.
  if (exitCode !== 0 && !output.includes("there is no stack")) throw new Error(output.slice(-4000));
}

export async function expectUp(folder: string): Promise<void> {
  const { exitCode, output } = await upIn(folder, "local", "init");
  if (exitCode !== 0) throw new Error(output.slice(-4000));
}

/** Checks that one `./lab down` leaves nothing, and that `up` works again. */
export async function expectRecovery(folder: string): Promise<void> {
  await expectGone(folder);
  await expectUp(folder);
  await expectGone(folder);
}

/** Finds processes, sockets, files and mounts with the folder's name, without the lab's code. */
function leftOf(folder: string): string[] {
  const stacks = lab(folder, "stacks");
  const read = (file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      return "";
    }
  };
  const processes = readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => linksOf(pid).some((path) => path.startsWith(stacks)))
    .map((pid) => `process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
  const sockets = read("/proc/net/unix")
    .split("\n")
    .filter((line) => line.includes(stacks));
  const mounts = read("/proc/mounts")
    .split("\n")
    .filter((line) => line.includes(folder.replaceAll(" ", "\\040")) && !line.includes("/.lab tmpfs "));
  const files = existsSync(stacks) ? readdirSync(stacks, { recursive: true, encoding: "utf8" }) : [];
  return [...processes, ...sockets, ...mounts, ...files];
}
