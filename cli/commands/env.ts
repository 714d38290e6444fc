/** `./lab env`: prints the environment for plain `pulumi` commands in the user's shell. */
import { Command } from "commander";
import { environment, shellLines } from "../environment.ts";

export const env = new Command("env")
  .addHelpText(
    "after",
    `
The state is in .lab/state of this checkout, its passphrase in .lab/passphrase. If you are logged in to another
Pulumi backend, or PULUMI_BACKEND_URL is set, that is kept.

Examples:
  eval "$(./lab env)"
  pulumi preview --stack local
  pulumi stack output readme --stack local`,
  )
  .action(async () => {
    const decision = await environment();
    for (const note of decision.notes) process.stderr.write(`${note}\n`);
    process.stdout.write(shellLines(decision));
  });
