/** `./lab bench`: runs a benchmark profile on the lab, by changing settings and running `up`. */
import { Argument, Command } from "commander";
import { armNames, arms, defaultArms, type ArmName } from "../../benchmarks/arms.ts";
import { armsFor, fits, looksOf, looksUntilDecided } from "../../benchmarks/plan.ts";
import { matchRows, tableRows } from "../../benchmarks/rows.ts";
import { profileNames, profiles, type Profile } from "../../benchmarks/workloads.ts";
import { armsSchema, settingsSchema } from "../../stacks/settings.ts";
import { keepSettings, keptSettings, type Change } from "../keepSettings.ts";
import { Problem } from "../problem.ts";
import { Pulumi, say } from "../pulumi.ts";
import { setUp } from "../setup/steps.ts";
import { upWithVerdicts } from "../verdicts.ts";

interface Options {
  readonly stack: string;
  readonly seed?: string;
  readonly arms?: string;
  readonly rows?: string;
}

export const bench = new Command("bench")
  .addArgument(new Argument("[profile]", "what to run").choices(profileNames).default("smoke"))
  .option("-s, --stack <name>", "the stack", "local")
  .option("--seed <number>", "order of the arms; a new seed starts a new run with the same settings")
  .option("--arms <names>", "arms to compare; at first the profile's own")
  .option("--rows <names>", "rows to decide: WORKLOAD[/FIGURE[/ARM]], all or none")
  .addHelpText(
    "after",
    `
Profiles:
${profileNames.map((name) => `  ${name.padEnd(10)} ${profiles[name].title}`).join("\n")}

Arms (ttl, the baseline, is always in it; at first ${defaultArms.join(" and ")}; for those of lookups and reads, see docs/benchmarks.md):
${armNames
  .filter((name) => fits(name, "course"))
  .map((name) => `  ${name.padEnd(20)} ${arms[name].title}`)
  .join("\n")}

Keeps these choices as settings, removes kept arms and rows that the profile cannot use, and brings the stack up. Verdicts that
exist already are shown. Ctrl-C stops the run on all nodes; the same command continues it. With --rows: up to ${looksUntilDecided.at(-1)} blocks.

Examples:
  ./lab bench course --rows metadata/statHit/nocache,walk-warm    until these are decided
  ./lab bench smoke --arms ttl-long,fuse-latency    an extension is put on the clients for its arm`,
  )
  .action(async (profile: Profile, options: Options) => {
    const asked = askedFor(profile, options);
    await setUp("lab", { quiet: true });
    const pulumi = await Pulumi.forStack(options.stack);
    await pulumi.select();
    await pulumi.recover();
    const { notes, ...change } = changeFor(asked, await keptSettings(pulumi));
    await keepSettings(pulumi, change);
    for (const note of notes) say(note);
    process.exitCode = await upWithVerdicts(pulumi, ["--yes", "--skip-preview"]);
  });

/** What the command line asks for. */
export interface Asked {
  readonly profile: Profile;
  readonly seed?: string;
  readonly arms?: readonly ArmName[];
  /** Patterns; none: the profile's own number of blocks. */
  readonly rows?: readonly string[];
}

/**
 * Checks the command line by itself, before anything is installed. Which rows exist also depends on the stack's settings.
 * @throws Problem
 */
export function askedFor(profile: Profile, { seed, arms, rows }: Omit<Options, "stack">): Asked {
  if (seed !== undefined && !/^[1-9]\d{0,8}$/.test(seed))
    throw new Problem(`--seed ${seed}: a whole number from 1 to 999999999`);
  const asked = {
    profile,
    ...(seed !== undefined && { seed }),
    ...(arms !== undefined && { arms: armsOf(arms) }),
    ...(rows !== undefined && { rows: rows === "none" ? [] : rows === "all" ? ["*"] : patterns(rows) }),
  };
  explained("--arms", () => armsFor(profile, asked.arms));
  const possible = asked.arms ?? armNames.filter((arm) => fits(arm, profile));
  explained("--rows", () => checkRows(profile, asked.rows ?? [], possible, true));
  return asked;
}

/**
 * The change of the stack's settings for a run, and what to tell the user. Arms and rows of earlier runs are kept if this run can
 * use them; otherwise the stack could not be updated any more.
 * @throws Problem if the rows asked for do not exist in this stack's run
 */
export function changeFor(
  { profile, seed, arms, rows }: Asked,
  values: Readonly<Record<string, unknown>>,
): Change & { readonly notes: readonly string[] } {
  const { benchmarkArms, benchmarkRows, disgrafs } = values;
  const parsed = keptSchema.safeParse({ benchmarkArms, benchmarkRows, disgrafs });
  // Invalid settings are reported when the change is checked.
  const kept = parsed.success ? parsed.data : undefined;
  const unfit = arms ? [] : (kept?.benchmarkArms ?? []).filter((arm) => !fits(arm, profile));
  const chosen = armsFor(profile, arms ?? (unfit.length === 0 ? kept?.benchmarkArms : undefined));
  const check = (wanted: readonly string[]): void =>
    checkRows(profile, wanted, chosen, kept?.disgrafs !== undefined);
  if (rows) explained("--rows", () => check(rows));
  const keptRows = rows ? [] : (kept?.benchmarkRows ?? []);
  const useless = fails(() => check(keptRows));
  const because = fails(() => looksOf(profile, keptRows))
    ? `${profile} takes no rows`
    : `${profile} with the arms ${chosen.join(",")} has not all of these rows`;
  return {
    set: [
      `benchmark=${profile}`,
      ...(arms ? [`benchmarkArms=${arms.join(",")}`] : []),
      ...(rows && rows.length > 0 ? [`benchmarkRows=${rows.join(",")}`] : []),
      ...(seed === undefined ? [] : [`seed=${seed}`]),
    ],
    unset: [
      ...(unfit.length > 0 ? ["benchmarkArms"] : []),
      ...(useless || rows?.length === 0 ? ["benchmarkRows"] : []),
    ],
    notes: [
      ...(unfit.length > 0
        ? [removed("benchmarkArms", kept?.benchmarkArms, `${profile} cannot measure ${unfit.join(",")}`)]
        : []),
      ...(useless ? [removed("benchmarkRows", keptRows, because)] : []),
    ],
  };
}

const keptSchema = settingsSchema.pick({ benchmarkArms: true, benchmarkRows: true, disgrafs: true });

const removed = (key: string, value: readonly string[] = [], reason: string): string =>
  `${key} was ${value.join(",")}; ${reason}, so the setting is removed`;

function armsOf(text: string): ArmName[] {
  const parsed = armsSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new Problem(`--arms: ${parsed.error.issues.map(({ message }) => message).join("; ")}`);
}

const patterns = (text: string): string[] => text.split(",").map((name) => name.trim());

/** @throws Error if a pattern names no row, or if the profile has no verdicts */
function checkRows(
  profile: Profile,
  rows: readonly string[],
  chosen: readonly ArmName[],
  disgrafs: boolean,
): void {
  looksOf(profile, rows);
  matchRows(tableRows(profile, chosen, disgrafs), rows);
}

function fails(check: () => void): boolean {
  try {
    check();
    return false;
  } catch {
    return true;
  }
}

/** @throws Problem that names the option, if the check fails */
function explained(option: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Problem(`${option}: ${(error as Error).message}`);
  }
}
