/** Identifies this computer: a lab's processes exist on one computer, even if its folder is shared with others. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";

export interface Computer {
  /** Host name, for messages. */
  readonly host: string;
  /** Identity that does not change with the name. */
  readonly computer: string;
}

export function thisComputer(): Computer {
  const read = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8").trim() : "");
  return { host: hostname(), computer: read("/etc/machine-id") || hostname() };
}
