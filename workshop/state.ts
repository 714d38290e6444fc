/** Small JSON state files that survive a kill at any moment: written under a temporary name and renamed; broken ones are ignored. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** The last written value, or undefined; the caller determines its type. */
export function readState(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

export function writeState(file: string, state: unknown): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const beside = `${file}.${process.pid}`;
  writeFileSync(beside, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(beside, file);
}
