/** Asks for confirmation of an action that cannot be undone or that costs money. */
import { createInterface } from "node:readline/promises";
import { Problem } from "./problem.ts";

/**
 * Returns whether the user confirms.
 * @throws Problem if there is no terminal and --yes was not given
 */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new Problem(`${question} There is no terminal to ask: add --yes`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } catch (error) {
    // Ctrl-C and Ctrl-D are a no.
    if ((error as NodeJS.ErrnoException).code === "ABORT_ERR") return false;
    throw error;
  } finally {
    lines.close();
  }
}
