/** The text with which a step runs a node script (provisioning/remote.ts), for tests that run it in a VM by ssh. */
import { readFileSync } from "node:fs";
import { prelude } from "../../provisioning/remote.ts";
import { program } from "../../provisioning/shell.ts";
import { root } from "./pulumi.ts";

/**
 * @param path of a script below provisioning/
 * @returns a bash script that runs it
 */
export function nodeScript(
  path: string,
  args: readonly string[] = [],
  stdin: readonly string[] = [],
): string {
  const script = `${prelude}\n${readFileSync(`${root}/provisioning/${path}`, "utf8")}`;
  // The program picks a function by its first argument, as `bash -s run` gives it.
  return `set -- run\n${program({ run: { script, args, stdin } }, path)}`;
}
