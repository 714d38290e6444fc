/** Finds what is left of a stack on this computer without Pulumi: processes first, then files and mounts. */
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { stackFolder } from "./paths.ts";
import { ownProcesses } from "./processes.ts";

export interface Leftover {
  readonly kind: "process" | "socket" | "disk" | "file" | "mount";
  /** Command line, path or mount point. */
  readonly what: string;
  readonly pid?: number;
}

/** Everything of the stack that still exists. Empty folders are removed and do not count. */
export function sweep(stack: string): Promise<Leftover[]> {
  const folder = stackFolder(stack);
  return Promise.resolve([...processesOf(stack), ...mountsIn(folder), ...filesIn(folder)]);
}

/** Listening ports belong to processes and need no check of their own. */
function processesOf(stack: string): Leftover[] {
  return ownProcesses(stack).map(({ what, pid }) => ({ kind: "process", what, pid }));
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
