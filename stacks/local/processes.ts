/**
 * Finds the processes of a stack: QEMUs and switches that have a file in its folder open, independent of any state file. The
 * kernel reports current paths, so this also works after a folder was moved, renamed, copied or deleted.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { identify, isAlive, type ProcessId } from "../../workshop/process.ts";
import { machineFolder, stackFolder, stacksFolder } from "./paths.ts";

export interface OwnProcess extends ProcessId {
  /** Command line. */
  readonly what: string;
  /** Paths of its working directory and open files. */
  readonly files: readonly string[];
}

/** A machine is a QEMU process; a network is our switch, or the vde_switch of an earlier version. */
const program = /^(\S*\/)?qemu-system-\S+ |stacks\/local\/switch\.ts( |$)|^(\S*\/)?vde_switch /;

/** All of a stack's processes. */
export function ownProcesses(stack: string): OwnProcess[] {
  return processesBelow(stackFolder(stack));
}

/** The processes of one machine. */
export function machineProcesses(stack: string, machine: string): OwnProcess[] {
  return processesBelow(machineFolder(stack, machine));
}

/** Whether a process still runs and belongs to the stack: in a copied folder, its number may belong to the original's machine. */
export function isOwn(stack: string, id: ProcessId): boolean {
  return isAlive(id) && holdsBelow(id.pid, stackFolder(stack)) !== undefined;
}

/** QEMUs and switches of labs whose folder no longer exists. They can no longer be assigned to a lab. */
export function orphans(): OwnProcess[] {
  return candidates().flatMap((pid) => {
    const files = filesOf(pid).filter((path) => /\/\.lab\/stacks\/.* \(deleted\)$/.test(path));
    const ofHere = files.some((path) => path.startsWith(`${stacksFolder}/`));
    return files.length === 0 || ofHere ? [] : describe(pid, files);
  });
}

function processesBelow(folder: string): OwnProcess[] {
  return candidates().flatMap((pid) => {
    const files = holdsBelow(pid, folder);
    return files ? describe(pid, files) : [];
  });
}

function describe(pid: number, files: readonly string[]): OwnProcess[] {
  const id = identify(pid);
  return id ? [{ ...id, what: commandLine(pid), files }] : [];
}

function candidates(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && program.test(commandLine(pid)));
}

/** The files that a process has open below a folder; undefined if there are none. */
function holdsBelow(pid: number, folder: string): readonly string[] | undefined {
  const files = filesOf(pid).filter((path) => path === folder || path.startsWith(`${folder}/`));
  return files.length === 0 ? undefined : files;
}

/** QEMU changes to / when it becomes a daemon, but its disks, sockets and log stay open. */
function filesOf(pid: number): string[] {
  let open: string[] = [];
  try {
    open = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    // It ended meanwhile, or belongs to another user.
  }
  return [`/proc/${pid}/cwd`, ...open].map(target);
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
