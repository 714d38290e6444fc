/** `./lab ssh NODE`: a shell on a node, or one command. */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { mendSshConfig } from "../../stacks/local/vm.ts";
import { quote } from "../../provisioning/shell.ts";
import { checkout } from "../../workshop/checkout.ts";
import { apply } from "../environment.ts";
import { areLocal, nodeNamed, nodesOf } from "../nodes.ts";
import { Pulumi } from "../pulumi.ts";

export const ssh = new Command("ssh")
  .argument("<node>", "name of the node")
  .argument("[command...]", "a command and its arguments, after --")
  .option("-s, --stack <name>", "the stack", "local")
  .addHelpText(
    "after",
    `
The exit status is the command's.

Examples:
  ./lab ssh node1
  ./lab ssh node1 -- findmnt -t fuse.juicefs
  ./lab ssh meta -- 'uptime | cut -d, -f1'`,
  )
  .action(async (name: string, words: string[], options: { stack: string }) => {
    const pulumi = await Pulumi.forStack(options.stack);
    const outputs = await pulumi.outputs();
    const node = nodeNamed(nodesOf(options.stack, outputs), name);
    if (areLocal(outputs)) await mendSshConfig(pulumi.localName, name);
    const result = spawnSync("bash", ["-c", commandLine(node.ssh, words)], {
      cwd: checkout,
      env: apply(pulumi.environment),
      stdio: "inherit",
    });
    process.exitCode = result.status ?? 1;
  });

/**
 * The local command line that logs in, or runs a command on the node. As with ssh itself, the node's shell reads one
 * word as it is, so that it may hold a pipeline; several words are one command with its arguments.
 */
export function commandLine(login: string, words: readonly string[]): string {
  if (words.length === 0) return `exec ${login}`;
  const command = words.length === 1 ? (words[0] ?? "") : words.map(quote).join(" ");
  return `exec ${login} ${quote(command)}`;
}
