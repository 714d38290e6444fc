/**
 * Another user of this computer, who means harm: tries to read and write every file of the lab, to connect to every socket
 * and port of its processes, and to reach into the processes themselves. All names are told to him, so that nothing is safe
 * only because it was not found.
 */
import { execFile } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { linksOf } from "./openFiles.ts";

/** What there is to attack. */
interface Targets {
  readonly files: string[];
  readonly sockets: string[];
  readonly pids: number[];
  /** TCP ports on which those processes listen. */
  readonly ports: number[];
}

/** Tries all of it as the user `nobody`, and prints what worked, a line each. Only what comes with Node.js: no files of ours. */
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

/**
 * Attacks a lab once.
 * @param folders whose files, and the processes that use them, are the lab's
 * @param since what is named `disgrafs...` among the temporary files and was made since then is the lab's, too
 * @returns what worked. Whoever connects to a machine's SSH port is greeted: that is no line here
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
    // Pulumi's own ports ask nobody who calls: SECURITY.md.
    .filter((pid) => !nameOf(pid).startsWith("pulumi"))
    .filter((pid) => linksOf(pid).some((link) => folders.some((folder) => link.startsWith(`${folder}/`))));
  return {
    files: paths.filter((path) => kindOf(path) === "file"),
    sockets: paths.filter((path) => kindOf(path) === "socket"),
    pids,
    ports: listening(pids),
  };
}

/** All that is in a folder; nothing for a file, or a folder that has gone. */
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
