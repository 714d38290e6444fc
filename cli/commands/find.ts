/** `./lab find WORD...`: finds files of the volume by their content, like `disgrafs find` on a node. */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { quote } from "../../provisioning/shell.ts";
import { checkout } from "../../workshop/checkout.ts";
import { apply } from "../environment.ts";
import { nodesOf, type Node } from "../nodes.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";
import { commandLine } from "./ssh.ts";

export const find = new Command("find")
  .argument("<word...>", "beginning of a word, tag:NAME, in:FOLDER, is:waiting or is:failed")
  .option("-s, --stack <name>", "the stack", "local")
  .option("--json", "print everything known about the files")
  .option("--limit <number>", "how many files at most, up to 200", "50")
  .addHelpText(
    "after",
    `
Prints a line with path and tags for each file. The exit status is 1 if no file is found.

Examples:
  ./lab find espresso
  ./lab find report tag:glacier in:/mnt/jfs/docs
  ./lab find tag:'ice core' --json`,
  )
  .action(async (words: string[], options: { stack: string; json?: true; limit: string }) => {
    const pulumi = await Pulumi.forStack(options.stack);
    const outputs = await pulumi.outputs();
    const node = finder(options.stack, outputs);
    const args = [
      ...(options.json ? ["--json"] : []),
      // The node sees a pipe, and cannot know that the output goes to a terminal, which file names could control.
      ...(process.stdout.isTTY ? ["--terminal"] : []),
      ...["--limit", options.limit, "--"],
      ...words,
    ];
    const result = spawnSync("bash", ["-c", commandLine(node.ssh, [findCommand(args)])], {
      cwd: checkout,
      env: apply(pulumi.environment),
      stdio: ["ignore", "inherit", "inherit"],
    });
    // 255 is ssh's own: its message is on the screen.
    if (result.status === 255) {
      throw new Problem(`${node.name} cannot be reached; see ./lab status --stack ${options.stack}`);
    }
    process.exitCode = result.status ?? 1;
  });

/** The node to query. @throws Problem if the lab has no DisGraFS */
export function finder(stack: string, outputs: Record<string, unknown> | undefined): Node {
  const nodes = nodesOf(stack, outputs);
  const head = nodes.find(({ roles }) => roles.includes("ray-head"));
  if (!head || !outputs?.disgrafs) {
    throw new Problem(
      `the lab of stack "${stack}" runs without DisGraFS; add it with: ./lab up --stack ${stack} -c disgrafs=true`,
    );
  }
  return head;
}

/** The command for the node's shell. The token belongs to root, and on AWS the login user is not root. */
export function findCommand(args: readonly string[]): string {
  const become = '$([ "$(id -u)" = 0 ] || echo sudo -n)';
  return `${become} disgrafs find ${args.map(quote).join(" ")}`;
}
