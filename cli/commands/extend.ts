/** `./lab extend TIME`: extends the life of a lab on AWS. It changes one setting; an `up` then updates tags and timers. */
import { Command } from "commander";
import { durationSeconds } from "../../stacks/aws/settings.ts";
import { labCommand } from "../../stacks/labCommand.ts";
import { awsFactsOf } from "../awsStack.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";

export const extend = new Command("extend")
  .argument("<time>", "how long from now: 90m, 4h or 2d")
  .option("-s, --stack <name>", "the stack", "aws")
  .addHelpText(
    "after",
    `
Machines of an expired lab are gone; ./lab down --stack aws, then ./lab up --stack aws, makes new ones. No machine is replaced by
an extension.

Examples:
  ./lab extend 2h
  ./lab extend 1d --stack paper`,
  )
  .action(async (time: string, options: { stack: string }) => {
    process.exitCode = await extendStack(await Pulumi.forStack(options.stack), time);
  });

/**
 * Sets the new expiry of a stack, and updates tags and machines; returns Pulumi's exit status.
 * @throws Problem as `extension` does
 */
export async function extendStack(pulumi: Pulumi, time: string): Promise<number> {
  const { created, expires } = awsFactsOf(pulumi.stack, await pulumi.outputs());
  const setting = extension({ stack: pulumi.stack, created, expires, time, now: new Date() });
  const set = await pulumi.run("config", "set", "--path", "aws.expiresAfter", setting.expiresAfter);
  const status = set === 0 ? await pulumi.run("up", "--yes", "--skip-preview") : set;
  if (status === 0) process.stdout.write(`stack ${pulumi.stack} now expires at ${setting.expires}\n`);
  return status;
}

/** Two weeks, as in stacks/aws/settings.ts: a lab is not a permanent server. */
const longestMinutes = 14 * 24 * 60;

/**
 * The value of `aws.expiresAfter`, which counts from the stack's beginning, for an end `time` from now.
 * @throws Problem when the lab is over, the time is no duration, or the new end is not later than the present one
 */
export function extension(args: {
  stack: string;
  created: string;
  expires: string;
  time: string;
  now: Date;
}): {
  readonly expiresAfter: string;
  readonly expires: string;
} {
  const { stack, created, expires, time, now } = args;
  if (Date.parse(expires) <= now.getTime())
    throw new Problem(
      `this lab expired at ${expires} and its machines are terminated; create new ones: ` +
        `${labCommand(stack, "down")}, then ${labCommand(stack, "up")}`,
    );
  let seconds: number;
  try {
    seconds = durationSeconds(time);
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error));
  }
  const begin = Date.parse(created);
  const minutes = Math.ceil((now.getTime() + seconds * 1000 - begin) / 60_000);
  const end = new Date(begin + minutes * 60_000);
  if (end.getTime() <= Date.parse(expires))
    throw new Problem(`this lab already expires at ${expires}, which is later than ${time} from now`);
  if (minutes > longestMinutes)
    throw new Problem(
      `that would be ${Math.ceil(minutes / 1440)} days after this lab began; the limit is 14`,
    );
  return { expiresAfter: `${minutes}m`, expires: end.toISOString() };
}
