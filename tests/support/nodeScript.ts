/** A node script as a step runs it, for tests that run it on a VM by ssh: the same program text as provisioning/remote.ts. */
import { readFileSync } from "node:fs";
import { prelude } from "../../provisioning/remote.ts";
import { program } from "../../provisioning/shell.ts";
import { root } from "./pulumi.ts";

/**
 * @param path script below provisioning/
 * @returns text of a bash script that runs it
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
