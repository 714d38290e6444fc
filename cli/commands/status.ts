/** `./lab status`: what the stack is, by its outputs. */
import { Command } from "commander";
import { nodesOf } from "../nodes.ts";
import { Pulumi } from "../pulumi.ts";

export const status = new Command("status")
  .description("show the nodes and the health of the last up")
  .option("-s, --stack <name>", "the stack", "local")
  .addHelpText("after", "\nExamples:\n  ./lab status\n  ./lab status --stack aws")
  .action(async (options: { stack: string }) => {
    const pulumi = await Pulumi.forStack(options.stack);
    for (const node of await nodesOf(pulumi)) {
      process.stdout.write(`${node.name}  ${node.roles.join(",")}  ${node.kernel}\n`);
    }
  });
