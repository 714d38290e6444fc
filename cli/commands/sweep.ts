/** `./lab sweep --aws`: what is left of labs on AWS, found by tags and not by any state, and its removal. */
import { Command } from "commander";
import type { Leftover } from "../../stacks/aws/sweep.ts";
import { awsSettingsOf, useProfile } from "../awsStack.ts";
import { confirm } from "../confirm.ts";
import { Problem } from "../problem.ts";
import { Pulumi, say } from "../pulumi.ts";
import { table } from "./status.ts";

interface Options {
  readonly aws: boolean;
  readonly stack?: string;
  readonly region?: string;
  readonly withData: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

export const sweep = new Command("sweep")
  .description("show what is left of labs on AWS, and remove it")
  .option("--aws", "on AWS (./lab down sweeps this machine by itself)", false)
  .option("-s, --stack <name>", "of this stack; else of all stacks whose time is over")
  .option("--region <region>", "where to look; else the stack's region, or AWS_REGION")
  .option("--with-data", "also buckets that their settings keep (aws.keepData)", false)
  .option("--dry-run", "show, remove nothing", false)
  .option("-y, --yes", "do not ask", false)
  .addHelpText(
    "after",
    `
Looks for the tags that every lab puts on what it makes, so it finds what a crash or a lost state left behind. Looks
again afterwards; ends with the number of things that are left, and a status that is not zero when there are any.

Examples:
  ./lab sweep --aws                     what all expired stacks left
  ./lab sweep --aws --stack aws         all that one stack has, expired or not
  ./lab sweep --aws --dry-run --region eu-central-1`,
  )
  .action(async (options: Options) => {
    if (!options.aws) throw new Problem("say where: ./lab sweep --aws (this machine is swept by ./lab down)");
    const region = await regionOf(options);
    // Loaded when it is needed: the AWS SDK would make every other command slow to start.
    const { clientsFor, findLeftovers, remove, select } = await import("../../stacks/aws/sweep.ts");
    const clients = clientsFor(region);
    const selection = {
      ...(options.stack === undefined ? { expiredAt: new Date() } : { stack: options.stack }),
      withData: options.withData,
    };
    const found = select(await findLeftovers(clients), selection);
    if (found.length === 0) {
      process.stdout.write(`0 left in ${region}\n`);
      return;
    }
    process.stdout.write(listing(found));
    if (!options.dryRun) {
      const question = `Remove these ${found.length} things from ${region}?`;
      if (await confirm(question, options.yes))
        for (const line of await remove(clients, found, say)) say(`not removed: ${line}`);
    }
    const left = select(await findLeftovers(clients), selection);
    for (const each of left) process.stdout.write(`left: ${each.kind} ${each.id} of stack ${each.stack}\n`);
    process.stdout.write(`${left.length} left in ${region}\n`);
    process.exitCode = left.length === 0 ? 0 : 1;
  });

async function regionOf({ region, stack }: Options): Promise<string> {
  const settings = await awsSettingsOf(await Pulumi.forStack(stack ?? "aws"));
  useProfile(settings);
  const found = region ?? settings.region ?? process.env.AWS_REGION;
  if (found === undefined) throw new Problem("which region? add --region, as --region eu-central-1");
  return found;
}

/** A table of leftovers, in order of removal. */
export function listing(found: readonly Leftover[]): string {
  const rows = found.map(({ kind, id, stack, owner, expires }) => [
    kind,
    id,
    stack,
    owner,
    expires?.toISOString() ?? "?",
  ]);
  return table([["KIND", "ID", "STACK", "OWNER", "EXPIRES"], ...rows]);
}
