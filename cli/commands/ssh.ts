/** `./lab ssh NODE`: a shell on a node, or one command. */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { quote } from "../../provisioning/shell.ts";
import { root } from "../checkout.ts";
import { nodesOf } from "../nodes.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";

export const ssh = new Command("ssh")
  .description("log in to a node, or run one command there")
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
  ./lab ssh meta -- 'redis-cli --version | cut -d" " -f2'`,
  )
  .action(async (name: string, words: string[], options: { stack: string }) => {
    const nodes = await nodesOf(await Pulumi.forStack(options.stack));
    const node = nodes.find((each) => each.name === name);
    if (node === undefined) {
      throw new Problem(
        `stack "${options.stack}" has no node "${name}"; its nodes: ${nodes.map((n) => n.name).join(", ")}`,
      );
    }
    // As with ssh itself, the node's shell reads the command: one word may hold a whole pipeline.
    const command = words.length === 1 ? words[0] : words.map(quote).join(" ");
    const line = command ? `${node.ssh} -- ${quote(command)}` : node.ssh;
    const result = spawnSync("bash", ["-c", `exec ${line}`], { cwd: root, stdio: "inherit" });
    process.exitCode = result.status ?? 1;
  });
