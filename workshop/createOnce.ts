/** A file that is created once and never replaced, by whichever of several processes comes first. */
import { existsSync, linkSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";

/** Creates the file with the text that `make` returns, unless it exists. */
export function createOnce(file: string, make: () => string, mode: number): void {
  if (existsSync(file) && statSync(file).size > 0) return;
  // A full disk can leave an empty file.
  rmSync(file, { force: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, make(), { mode });
  try {
    // A link fails if the name exists: of two concurrent processes, one wins, and both use its text.
    linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    unlinkSync(temporary);
  }
}
