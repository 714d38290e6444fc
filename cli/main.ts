/** The lab's command line. A command is one file in commands/ and one line here. */
import { Command, CommanderError } from "commander";
import { Problem } from "./problem.ts";
import { bench } from "./commands/bench.ts";
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

const program = new Command("lab")
  .description("A JuiceFS, Redis and Ray cluster on this machine or on AWS.")
  .helpCommand(false)
  .showSuggestionAfterError()
  .addHelpText(
    "after",
    `
Examples:
  ./lab up                  set up this machine, then make the local cluster
  ./lab ssh node1           log in to a node
  ./lab down                take everything down and show that nothing is left

Each command has --help.`,
  );

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
    process.exitCode = error.exitCode;
  } else throw error;
}
