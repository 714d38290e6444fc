/** `./lab bench`: runs a benchmark profile on the lab, which is a setting and an `up`. */
import { Argument, Command } from "commander";
import { armNames, arms, defaultArms, isArm } from "../../benchmarks/arms.ts";
import { profileNames, profiles } from "../../benchmarks/workloads.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";
import { setUp } from "../setup/steps.ts";

interface Options {
  readonly stack: string;
  readonly seed?: string;
  readonly arms?: string;
}

export const bench = new Command("bench")
  .description("benchmark the cluster, and end with a verdict per workload")
  .addArgument(new Argument("[profile]", "what to run").choices(profileNames).default("smoke"))
  .option("-s, --stack <name>", "the stack", "local")
  .option("--seed <number>", "order of the arms; a new seed is a new run with the same settings")
  .option("--arms <names>", `what is compared, with commas between; at first ${defaultArms.join(",")}`)
  .addHelpText(
    "after",
    `
Profiles:
${profileNames.map((name) => `  ${name.padEnd(10)} ${profiles[name].title}`).join("\n")}

Arms (ttl is the baseline and always in it):
${armNames.map((name) => `  ${name.padEnd(13)} ${arms[name].title}`).join("\n")}

Sets \`benchmark\` (and \`benchmarkArms\`, \`seed\`) of the stack and brings the stack up. Settings that were run already are not run
again: their verdicts are shown. Ctrl-C stops the workloads on all nodes, and the next run goes on from there.

Examples:
  ./lab bench               a smoke run on the local lab
  ./lab bench course        ten minutes on real machines
  ./lab bench smoke --seed 2
  ./lab bench smoke --arms ttl-long,fuse-latency    an extension is put on the clients for its arm`,
  )
  .action(async (profile: string, options: Options) => {
    if (options.seed !== undefined && !/^[1-9]\d{0,8}$/.test(options.seed))
      throw new Problem(`--seed ${options.seed}: a whole number from 1 to 999999999`);
    const unknown = options.arms?.split(",").find((name) => !isArm(name));
    if (unknown !== undefined)
      throw new Problem(`--arms: no arm is called "${unknown}"; arms: ${armNames.join(", ")}`);
    await setUp("lab", { quiet: true });
    const pulumi = await Pulumi.forStack(options.stack);
    await pulumi.select();
    await pulumi.recover();
    const settings = [
      `benchmark=${profile}`,
      ...(options.arms === undefined ? [] : [`benchmarkArms=${options.arms}`]),
      ...(options.seed === undefined ? [] : [`seed=${options.seed}`]),
    ];
    const flags = settings.flatMap((setting) => ["--config", setting]);
    process.exitCode = await pulumi.run("up", "--yes", "--skip-preview", ...flags);
  });
