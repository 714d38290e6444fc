/** What is left of a stack on this machine, found without asking Pulumi: processes first, then files and mounts. */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { stackFolder, switchFolder } from "./paths.ts";

export interface Leftover {
  readonly kind: "process" | "socket" | "disk" | "file" | "mount";
  /** Command line, path or mount point. */
  readonly what: string;
  readonly pid?: number;
}

/** Everything of the stack that still exists. Empty folders are removed and do not count. */
export function sweep(stack: string): Promise<Leftover[]> {
  const folder = stackFolder(stack);
  return Promise.resolve([
    ...processesIn(folder),
    ...mountsIn(folder),
    ...filesIn(folder),
    ...filesIn(switchFolder(stack)),
  ]);
}

/** Our machines and switches run in their stack's folder; a listening port is one of theirs and goes with them. */
function processesIn(folder: string): Leftover[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isOurs(pid, folder))
    .map((pid) => ({ kind: "process", what: commandLine(pid), pid }));
}

function isOurs(pid: number, folder: string): boolean {
  if (!/^(\S*\/)?(qemu-system-\S+|vde_switch) /.test(commandLine(pid))) return false;
  // QEMU goes to / when it becomes a daemon, but its disks, sockets and log stay open.
  return [`/proc/${pid}/cwd`, ...openFiles(pid)]
    .map(target)
    .some((path) => path === folder || path.startsWith(`${folder}/`));
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    return []; // Ended meanwhile, or another user's.
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
  } catch {
    return "";
  }
}

function mountsIn(folder: string): Leftover[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((point) => point === folder || point.startsWith(`${folder}/`))
    .map((what) => ({ kind: "mount", what }));
}

function filesIn(folder: string): Leftover[] {
  if (!existsSync(folder)) return [];
  const left = readdirSync(folder, { withFileTypes: true }).flatMap((entry): Leftover[] => {
    const what = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(what);
    return [{ kind: entry.isSocket() ? "socket" : entry.name.endsWith(".qcow2") ? "disk" : "file", what }];
  });
  if (readdirSync(folder).length === 0) rmdirSync(folder);
  return left;
}
