/** The `remotePath` of a copy. No shell reads it, so shell expansions are performed here, or rejected. */
import type { Fault } from "../resources.ts";
import { plain, unknown, type Properties } from "../wire.ts";

/** The path as SFTP takes it, which begins in the login user's home folder. */
export function expanded(remotePath: string): string {
  if (/^~\/*$/.test(remotePath)) return ".";
  // `~/new/` keeps its slash; `~//x` is no path from the root.
  return remotePath.replace(/^~\/+/, "");
}

/** The faults of the `remotePath` of some inputs; none while it is not known yet. */
export function remotePathFaults(given: Properties): Fault[] {
  const value = plain(given["remotePath"] ?? null);
  if (value === unknown || typeof value !== "string") return [];
  const reason = faultOf(value);
  return reason === undefined ? [] : [{ property: "remotePath", reason: `remotePath ${reason}` }];
}

function faultOf(path: string): string | undefined {
  if (path === "") return 'is empty: "." is the home folder of the login user';
  if (/^~[^/]/.test(path))
    return `begins with ${path.split("/")[0]}: only ~/ is expanded; write the whole path`;
  const [variable] = /\$(\w+|\{[^}]*\}?)/.exec(path) ?? [];
  if (variable !== undefined)
    return `has ${variable} in it, and no shell expands that: write ~/ for the home folder, or the whole path`;
  return undefined;
}
