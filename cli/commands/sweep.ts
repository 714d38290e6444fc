/** `./lab sweep --aws`: finds leftovers of labs on AWS by their tags, without a state file, and removes them. */
import { Command } from "commander";
import type { Leftover } from "../../stacks/aws/cleanup/leftovers.ts";
import { byOwner, inScope, select, type Owners, type Selection } from "../../stacks/aws/cleanup/selection.ts";
import { awsSettingsOf, useProfile, type AwsFacts, type AwsStackSettings } from "../awsStack.ts";
import { confirm } from "../confirm.ts";
import { Problem } from "../problem.ts";
import { Pulumi, say } from "../pulumi.ts";
import { table } from "../table.ts";

export interface SweepOptions {
  readonly stack?: string;
  readonly run?: string;
  readonly owner: string[];
  readonly everyone: boolean;
  readonly region?: string;
  readonly withData: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

export const sweep = new Command("sweep")
  .option("--aws", "sweep AWS (./lab down sweeps this machine)", false)
  .option("-s, --stack <name>", "only this stack's current run, expired or not")
  .option("--run <id>", "only this run, expired or not; for a stack whose state is lost")
  .option(
    "--owner <name>",
    "only this owner (default: aws.owner of the settings); may be repeated",
    collect,
    [],
  )
  .option("--everyone", "expired labs of all owners in the account, which may not be yours", false)
  .option("--region <region>", "region to search (default: the stack's, or AWS_REGION)")
  .option("--with-data", "also remove buckets that the settings keep (aws.keepData)", false)
  .option("--dry-run", "list what is left and remove nothing", false)
  .option("-y, --yes", "do not ask; refused with --everyone: name each owner with --owner", false)
  .addHelpText(
    "after",
    `
Searches by the tags that every lab puts on its resources, so it finds what a crash or a lost state left behind. Several
people may share an account and have stacks of the same name: the tags for owner and run id say whose a resource is.
A resource without a readable expiry never expires; select it by its run id. The command searches again afterwards. The
exit status is 0 only if everything could be searched and nothing of the selection is left.

Examples:
  ./lab sweep --aws                     what your expired stacks left
  ./lab sweep --aws --stack aws         all that one stack has, expired or not
  ./lab sweep --aws --stack aws --run 20261125T180000Z-1a2b
  ./lab sweep --aws --everyone          who has expired labs; asks before it removes any
  ./lab sweep --aws --dry-run --region eu-central-1`,
  )
  .action(async (options: SweepOptions & { aws: boolean }) => {
    if (!options.aws) throw new Problem("add --aws: ./lab sweep --aws (./lab down sweeps this machine)");
    process.exitCode = await sweepAws(await Pulumi.forStack(options.stack ?? "aws"), options);
  });

/** Returns the exit status. @throws Problem if owner or region are not specified clearly */
export async function sweepAws(pulumi: Pulumi, options: SweepOptions): Promise<number> {
  const settings = await awsSettingsOf(pulumi);
  useProfile(settings);
  const selection: Selection = {
    owners: ownersOf(options, settings),
    stack: options.stack,
    run: options.run ?? (options.stack === undefined ? undefined : await runOf(pulumi)),
    now: new Date(),
    withData: options.withData,
  };
  return await sweepRegion(regionOf(options, settings), selection, options);
}

function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}

/** Lists, asks, removes, and searches again; returns the exit status. */
async function sweepRegion(region: string, selection: Selection, options: SweepOptions): Promise<number> {
  // Loaded on demand: the AWS SDK would slow the start of every other command.
  const { clientsFor, findLeftovers } = await import("../../stacks/aws/cleanup/leftovers.ts");
  const { remove } = await import("../../stacks/aws/cleanup/remove.ts");
  const clients = clientsFor(region);
  const before = await findLeftovers(clients);
  const unknownRun = options.stack !== undefined && selection.run === undefined;
  if (unknownRun) return showRuns(inScope(before.found, selection), options.stack, region, before.unseen);
  const chosen = select(before.found, selection);
  process.stdout.write(endless(inScope(before.found, selection), selection));
  if (chosen.length === 0) return conclude([], before.unseen, region);
  if (selection.owners === "everyone") process.stdout.write(ownersListing(chosen));
  process.stdout.write(listing(chosen));
  if (!options.dryRun) {
    const whose = selection.owners === "everyone" ? ` of ${byOwner(chosen).length} owners` : "";
    if (await confirm(`Remove these ${chosen.length} things${whose} from ${region}?`, options.yes))
      for (const line of await remove(clients, chosen, say)) say(`not removed: ${line}`);
  }
  const after = await findLeftovers(clients);
  return conclude(select(after.found, selection), after.unseen, region);
}

/** The last lines, and the exit status. */
function conclude(left: readonly Leftover[], unseen: readonly string[], region: string): number {
  for (const each of left)
    process.stdout.write(`left: ${each.kind} ${each.id} of stack ${each.stack}, run ${each.run}\n`);
  for (const line of unseen) process.stdout.write(`could not be looked at: ${line}\n`);
  const but = unseen.length === 0 ? "" : `, and ${unseen.length} could not be looked at`;
  process.stdout.write(`${left.length} left in ${region}${but}\n`);
  return left.length === 0 && unseen.length === 0 ? 0 : 1;
}

/** For a stack without state on this computer: lists the runs with its name, of which the user chooses one. */
function showRuns(
  found: readonly Leftover[],
  stack: string | undefined,
  region: string,
  unseen: readonly string[],
): number {
  if (found.length === 0) return conclude([], unseen, region);
  process.stdout.write(listing(found));
  const runs = [...new Set(found.map(({ run }) => run))].sort();
  process.stdout.write(
    `The state of stack ${stack ?? ""} is not here, so its run id is not known. Choose one of these:\n` +
      runs.map((run) => `  ./lab sweep --aws --stack ${stack ?? ""} --run ${run}\n`).join(""),
  );
  return conclude(found, unseen, region);
}

/** @throws Problem if no owner is named, or if --yes would confirm for owners that are not named */
export function ownersOf(
  { owner, everyone, yes }: Pick<SweepOptions, "owner" | "everyone" | "yes">,
  settings: AwsStackSettings,
): Owners {
  if (everyone && owner.length > 0) throw new Problem("use either --everyone or --owner, not both");
  if (everyone && yes)
    throw new Problem(
      "--yes requires named owners: run ./lab sweep --aws --everyone --dry-run, then name with --owner each owner whose " +
        "labs should be removed",
    );
  if (everyone) return "everyone";
  if (owner.length > 0) return owner;
  if (settings.owner !== undefined) return [settings.owner];
  throw new Problem(
    "no owner is set: the stack has no aws.owner here. Add --owner NAME, or --everyone to see all owners",
  );
}

/** The stack's current run id, from its state; undefined if there is none. */
async function runOf(pulumi: Pulumi): Promise<string | undefined> {
  const facts = (await pulumi.outputs())?.targetFacts as AwsFacts | undefined;
  return facts?.run;
}

function regionOf({ region }: SweepOptions, settings: AwsStackSettings): string {
  const found = region ?? settings.region ?? process.env.AWS_REGION;
  if (found === undefined) throw new Problem("no region is set: add --region, such as --region eu-central-1");
  return found;
}

/** A note about resources that are not selected because their expiry is unknown. */
function endless(scope: readonly Leftover[], { run }: Selection): string {
  const count = run === undefined ? scope.filter(({ expires }) => expires === undefined).length : 0;
  if (count === 0) return "";
  const runs = [...new Set(scope.filter(({ expires }) => expires === undefined).map((each) => each.run))];
  return `${count} things have no readable end, and so are not over; their runs: ${runs.join(", ")} (--run)\n`;
}

function ownersListing(found: readonly Leftover[]): string {
  const rows = byOwner(found).map(({ owner, things, stacks }) => [owner, String(things), stacks.join(", ")]);
  return `${table([["OWNER", "THINGS", "STACKS"], ...rows])}\n`;
}

/** A table of leftovers, in order of removal. */
export function listing(found: readonly Leftover[]): string {
  const rows = found.map(({ kind, id, stack, owner, run, expires }) => [
    kind,
    id,
    stack,
    owner,
    run,
    expires?.toISOString() ?? "?",
  ]);
  return table([["KIND", "ID", "STACK", "OWNER", "RUN", "EXPIRES"], ...rows]);
}
