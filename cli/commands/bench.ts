/** `./lab bench`: runs a benchmark profile on the lab, by changing settings and running `up`. */
import { Argument, Command } from "commander";
import { armNames, arms, defaultArms, isArm } from "../../benchmarks/arms.ts";
import { fits, looksOf, looksUntilDecided } from "../../benchmarks/plan.ts";
import { matchRows, tableRows } from "../../benchmarks/rows.ts";
import { profileNames, profiles, type Profile } from "../../benchmarks/workloads.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";
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
  .option("--arms <names>", `arms to compare; at first ${defaultArms.join(",")}`)
  .option("--rows <names>", "rows to decide: WORKLOAD[/FIGURE[/ARM]], or all")
  .addHelpText(
    "after",
    `
Profiles:
${profileNames.map((name) => `  ${name.padEnd(10)} ${profiles[name].title}`).join("\n")}

Arms (ttl is the baseline and always in it; those of lookups, and local of reads, are in docs/benchmarks.md):
${armNames
  .filter((name) => fits(name, "course"))
  .map((name) => `  ${name.padEnd(15)} ${arms[name].title}`)
  .join("\n")}

Keeps these choices as settings of the stack and brings it up. If they have been benchmarked, the stored verdicts are shown.
Ctrl-C stops the workloads on all nodes; run the command again to continue. With --rows there are up to ${looksUntilDecided.at(-1)} blocks.

Examples:
  ./lab bench               a smoke run
  ./lab bench course --rows metadata/statHit/nocache,walk-warm    until these are decided
  ./lab bench smoke --arms ttl-long,fuse-latency    an extension is put on the clients for its arm`,
  )
  .action(async (profile: Profile, options: Options) => {
    if (options.seed !== undefined && !/^[1-9]\d{0,8}$/.test(options.seed))
      throw new Problem(`--seed ${options.seed}: a whole number from 1 to 999999999`);
    const unknown = options.arms?.split(",").find((name) => !isArm(name));
    if (unknown !== undefined)
      throw new Problem(`--arms: no arm is called "${unknown}"; arms: ${armNames.join(", ")}`);
    const rows = options.rows === "all" ? [] : (options.rows?.split(",").map((name) => name.trim()) ?? []);
    checkRows(profile, rows);
    await setUp("lab", { quiet: true });
    const pulumi = await Pulumi.forStack(options.stack);
    await pulumi.select();
    await pulumi.recover();
    const settings = [
      `benchmark=${profile}`,
      ...(options.arms === undefined ? [] : [`benchmarkArms=${options.arms}`]),
      ...(options.rows === undefined ? [] : [`benchmarkRows=${rows.join(",")}`]),
      ...(options.seed === undefined ? [] : [`seed=${options.seed}`]),
    ];
    const flags = settings.flatMap((setting) => ["--config", setting]);
    process.exitCode = await upWithVerdicts(pulumi, ["--yes", "--skip-preview", ...flags]);
  });

/** Rows of any arm, and of DisGraFS. Which of them exist depends on the stack's settings, and is checked with them. */
function checkRows(profile: Profile, rows: readonly string[]): void {
  try {
    looksOf(profile, rows);
    matchRows(tableRows(profile, armNames, true), rows);
  } catch (error) {
    throw new Problem(`--rows: ${(error as Error).message}`);
  }
}
