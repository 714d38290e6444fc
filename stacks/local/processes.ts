/**
 * Which processes of this computer are a stack's: QEMUs and switches that hold a file of its folder open, whatever has become
 * of the notes about them. The kernel tells the files' paths as they are now, so a folder that was moved or renamed still
 * tells its own from those of another, also of a copy; and those of a folder that was deleted.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { identify, isAlive, type ProcessId } from "../../workshop/process.ts";
import { machineFolder, stackFolder, stacksFolder } from "./paths.ts";

export interface OwnProcess extends ProcessId {
  /** Command line. */
  readonly what: string;
  /** Paths of its working directory and of what it has open. */
  readonly files: readonly string[];
}

/** A machine is QEMU; a network is our own switch, or the vde_switch of an earlier version. */
const program = /^(\S*\/)?qemu-system-\S+ |stacks\/local\/switch\.ts( |$)|^(\S*\/)?vde_switch /;

/** All of a stack's processes. */
export function ownProcesses(stack: string): OwnProcess[] {
  return processesBelow(stackFolder(stack));
}

/** Those of one of its machines. */
export function machineProcesses(stack: string, machine: string): OwnProcess[] {
  return processesBelow(machineFolder(stack, machine));
}

/** Whether a process still runs, and is the stack's: its number in a copied file may be that of the original's machine. */
export function isOwn(stack: string, id: ProcessId): boolean {
  return isAlive(id) && holdsBelow(id.pid, stackFolder(stack)) !== undefined;
}

/** QEMUs and switches of a lab whose folder no longer exists. Which lab that was, nobody can tell any more. */
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

/** What a process has open below a folder; undefined when that is nothing. */
function holdsBelow(pid: number, folder: string): readonly string[] | undefined {
  const files = filesOf(pid).filter((path) => path === folder || path.startsWith(`${folder}/`));
  return files.length === 0 ? undefined : files;
}

/** QEMU goes to / when it becomes a daemon, but its disks, sockets and log stay open. */
function filesOf(pid: number): string[] {
  let open: string[] = [];
  try {
    open = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    // Ended meanwhile, or another user's.
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
