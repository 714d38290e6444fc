/**
 * A hostile user of this computer, who tries to read and write every file of the lab, to connect to every socket and port of its
 * processes, and to access the processes themselves. The user gets all names, so that nothing is safe only because it was not found.
 */
import { execFile } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { inLab } from "../../workshop/checkout.ts";
import { linksOf } from "./openFiles.ts";

/** The targets of an attack. */
interface Targets {
  readonly files: string[];
  readonly sockets: string[];
  readonly pids: number[];
  /** TCP ports on which those processes listen. */
  readonly ports: number[];
}

/** Program for the user `nobody`: prints a line for each attack that succeeded. Uses only Node.js, and no files of the checkout. */
const attacker = `
  const fs = require("node:fs"), net = require("node:net"), { once } = require("node:events");
  const { files, sockets, pids, ports } = JSON.parse(fs.readFileSync(0, "utf8"));
  process.setgroups([65534]); process.setgid(65534); process.setuid(65534);
  const worked = [];
  const attempt = (what, work) => { try { work(); worked.push(what); } catch {} };
  const open = (path, flags) => fs.closeSync(fs.openSync(path, flags));
  for (const file of files) {
    attempt("read " + file, () => open(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
    attempt("write " + file, () => open(file, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
    attempt("remove " + file, () => fs.accessSync(require("node:path").dirname(file), fs.constants.W_OK | fs.constants.X_OK));
  }
  for (const pid of pids) {
    attempt("signal " + pid, () => process.kill(pid, 0));
    for (const name of ["environ", "mem", "fd/0"]) attempt("read /proc/" + pid + "/" + name, () => open("/proc/" + pid + "/" + name, "r"));
  }
  (async () => {
    for (const path of sockets) {
      const socket = net.connect(path);
      await once(socket, "connect").then(() => worked.push("connect " + path), () => undefined);
      socket.destroy();
    }
    for (const port of ports) {
      const socket = net.connect(port, "127.0.0.1");
      const greeting = await Promise.race([once(socket, "data").then(([data]) => String(data).split(/[\\r\\n]/)[0]),
        once(socket, "close").then(() => "closed"), new Promise((resolve) => setTimeout(resolve, 20000, "silence"))]).catch(() => "refused");
      worked.push("port " + port + ": " + greeting);
      socket.destroy();
    }
    console.log(worked.join("\\n"));
    process.exit(0);
  })();
`;

/** The folders that only the lab's own user may use. */
export const labFolders = [inLab("stacks"), inLab("state"), inLab("test", "state")];

/** Waits for something while another user of this computer attacks the lab repeatedly, in vain. */
export async function attackedMeanwhile<T>(work: Promise<T>, since: Date): Promise<T> {
  const ended = work.then(
    () => true,
    () => true,
  );
  do expect(await attack(labFolders, since)).toEqual([]);
  while (!(await Promise.race([ended, sleep(2000, false)])));
  return await work;
}

/**
 * Attacks a lab once.
 * @param folders the lab's folders; processes that use their files belong to the lab
 * @param since temporary files `disgrafs...` created since then also belong to the lab
 * @returns the attacks that succeeded. The greeting of a machine's SSH port is not one
 */
export async function attack(folders: readonly string[], since: Date): Promise<string[]> {
  // Only root can become another user.
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const command = [...sudo, process.execPath, "-e", attacker];
  const running = promisify(execFile)(command[0]!, command.slice(1));
  running.child.stdin!.end(JSON.stringify(targetsIn(folders, since)));
  const { stdout } = await running;
  return stdout
    .split("\n")
    .filter((line) => line !== "" && !/^port \d+: (SSH-2\.0-|closed|refused)/.test(line));
}

function targetsIn(folders: readonly string[], since: Date): Targets {
  const temporary = readdirSync(tmpdir())
    .filter((name) => name.startsWith("disgrafs"))
    .map((name) => join(tmpdir(), name))
    .filter((path) => (lstatSync(path, { throwIfNoEntry: false })?.birthtime ?? 0) >= since);
  const paths = [...folders, ...temporary].flatMap((path) => [path, ...below(path)]);
  const kindOf = (path: string): "socket" | "file" | "other" => {
    const status = lstatSync(path, { throwIfNoEntry: false });
    return status?.isSocket() ? "socket" : status?.isFile() ? "file" : "other";
  };
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    // Pulumi's own ports have no access control: see SECURITY.md.
    .filter((pid) => !nameOf(pid).startsWith("pulumi"))
    .filter((pid) => linksOf(pid).some((link) => folders.some((folder) => link.startsWith(`${folder}/`))));
  return {
    files: paths.filter((path) => kindOf(path) === "file"),
    sockets: paths.filter((path) => kindOf(path) === "socket"),
    pids,
    ports: listening(pids),
  };
}

/** The contents of a folder; nothing for a file, or for a folder that no longer exists. */
function below(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name));
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return "";
  }
}

function listening(pids: readonly number[]): number[] {
  const inodes = new Set(pids.flatMap(linksOf).flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && inodes.has(fields[9] ?? ""))
    .map((fields) => Number.parseInt(fields[1]!.split(":")[1]!, 16));
}
