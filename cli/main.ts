/** The lab's command line. A command is one file in commands/ and one line here. */
import { Command, CommanderError } from "commander";
import { Problem } from "./problem.ts";
import { bench } from "./commands/bench.ts";
import { cache } from "./commands/cache.ts";
import { classCommand } from "./commands/class.ts";
import { doctor } from "./commands/doctor.ts";
import { down } from "./commands/down.ts";
import { env } from "./commands/env.ts";
import { extend } from "./commands/extend.ts";
import { report } from "./commands/report.ts";
import { setup } from "./commands/setup.ts";
import { ssh } from "./commands/ssh.ts";
import { status } from "./commands/status.ts";
import { sweep } from "./commands/sweep.ts";
import { test } from "./commands/test.ts";
import { up } from "./commands/up.ts";
import { versionText } from "./version.ts";

const program = new Command("lab")
  .description("A JuiceFS, Redis and Ray cluster on this machine or on AWS.")
  .helpCommand(false)
  .showSuggestionAfterError()
  .option("-V, --version", "print the version, and the commit in a git checkout")
  .addHelpText(
    "after",
    `
Examples:
  ./lab up                  set up this machine, then make the local cluster
  ./lab ssh node1           log in to a node
  ./lab down                take everything down and show that nothing is left

Each command has --help. The exit status is 0 when what was asked for is so, and 1 when it is not, for whatever reason;
of ssh it is that of the command there, and of what runs Pulumi that of Pulumi.`,
  )
  // Not commander's own: asking git would slow every command.
  .on("option:version", () => {
    process.stdout.write(`${versionText()}\n`);
    process.exit();
  });

for (const command of [
  setup,
  up,
  down,
  test,
  doctor,
  ssh,
  status,
  env,
  bench,
  report,
  cache,
  extend,
  sweep,
  classCommand,
])
  program.addCommand(command);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else if (error instanceof Problem) {
    process.stderr.write(`lab: ${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
