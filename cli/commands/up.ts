/** `./lab up`: set-up, then `pulumi up` of a stack, which recovers from any state of an earlier run. */
import { Command } from "commander";
import { setClocks } from "../clocks.ts";
import { keepSettings } from "../keepSettings.ts";
import { localName, Pulumi, say } from "../pulumi.ts";
import { setUp } from "../setup/steps.ts";
import { logInEarly, type EarlyLogin } from "../../stacks/local/earlyLogins.ts";
import { upWithVerdicts } from "../verdicts.ts";

interface Options {
  readonly stack: string;
  readonly config: string[];
  readonly unset: string[];
  readonly preview: boolean;
}

export const up = new Command("up")
  .option("-s, --stack <name>", "the stack", "local")
  .option("-c, --config <key=value>", "a setting, kept for this stack; may be repeated", collect, [])
  .option("--unset <key>", "remove a setting of this stack; may be repeated", collect, [])
  .option("--preview", "show what would change, and ask", false)
  .addHelpText(
    "after",
    `
Runs again at any time: what is there already is left alone, also after an interrupted run.

Examples:
  ./lab up                                    three local machines: meta, node1, node2
  ./lab up -c topology=single                 one machine
  ./lab up -c juicefs.attrCacheSeconds=5      keys are described in Pulumi.yaml
  ./lab up --stack second                     another lab beside the first
  ./lab up --stack aws --preview              on AWS (docs/aws.md); needs aws.owner and aws.sshCidr`,
  )
  .action(async (options: Options) => {
    const logins = await logInEarly(localName(options.stack));
    try {
      await bringUp(options, logins);
    } finally {
      for (const login of logins) login.end();
    }
  });

async function bringUp(options: Options, logins: readonly EarlyLogin[]): Promise<void> {
  await setUp("lab", { quiet: true });
  const pulumi = await Pulumi.forStack(options.stack);
  await pulumi.select();
  await pulumi.recover();
  await keepSettings(pulumi, { set: options.config, unset: options.unset });
  if (options.preview && !process.stdin.isTTY) {
    say("without a terminal there is no prompt: showing the changes only");
    process.exitCode = await pulumi.run("preview");
    return;
  }
  const mode = options.preview ? [] : ["--yes", "--skip-preview"];
  const clocks = options.preview ? undefined : setClocks(logins, say);
  process.exitCode = await upWithVerdicts(pulumi, mode);
  await clocks;
}

function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}
