/** `./lab down`: `pulumi destroy`, then a look at what is left, whatever became of the first. */
import { Command } from "commander";
import { rm } from "node:fs/promises";
import { inLab } from "../checkout.ts";
import { Pulumi, say } from "../pulumi.ts";

interface Sweeper {
  readonly sweep: (stack: string) => Promise<{ kind: string; what: string; pid?: number }[]>;
}
const sweeper: string = new URL("../../stacks/local/sweep.ts", import.meta.url).href;

interface Options {
  readonly stack: string;
  readonly purge: boolean;
}

export const down = new Command("down")
  .description("take the cluster down, and show that nothing is left")
  .option("-s, --stack <name>", "the stack", "local")
  .option("--purge", "also remove the stack's record and the cache of images", false)
  .addHelpText(
    "after",
    `
Ends with the number of things that are left: processes, sockets, disks, mounts. When it is not zero, they are named
and the exit status is not zero either.

Examples:
  ./lab down
  ./lab down --stack second
  ./lab down --purge          the next up bakes the image anew`,
  )
  .action(async (options: Options) => {
    const pulumi = await Pulumi.forStack(options.stack);
    let status = 0;
    if (await pulumi.exists()) {
      await pulumi.recover();
      status = await pulumi.run("destroy", "--yes", "--skip-preview");
      if (status !== 0) say(`pulumi destroy ended with status ${status}; see above`);
    } else say(`there is no stack "${options.stack}"; looking for leftovers only`);

    const { sweep } = (await import(sweeper)) as Sweeper;
    const leftovers = await sweep(options.stack);
    for (const left of leftovers) {
      process.stdout.write(
        `left: ${left.kind} ${left.what}${left.pid === undefined ? "" : ` (process ${left.pid})`}\n`,
      );
    }
    process.stdout.write(`${leftovers.length} left of stack ${options.stack}\n`);
    if (options.purge && status === 0 && leftovers.length === 0) {
      if (await pulumi.exists()) status = await pulumi.run("stack", "rm", "--yes");
      await rm(inLab("cache"), { recursive: true, force: true });
      say("removed the cache of images");
    }
    process.exitCode = status === 0 && leftovers.length > 0 ? 1 : status;
  });
