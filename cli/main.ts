/** The lab's command line. A command is one file in commands/ and one entry in commands.ts. */
import { Command, CommanderError } from "commander";
import { commands, loadCommand } from "./commands.ts";
import { Problem } from "./problem.ts";
import { versionText } from "./version.ts";

// Set by the launcher, and not meant for the programs that run from here.
delete process.env.NODE_COMPILE_CACHE;

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

Each command has --help. Exits 0 on success and 1 on failure; ssh and commands that run Pulumi return that program's
status.`,
  )
  // Not commander's own version option, because querying git would slow every command.
  .on("option:version", () => {
    process.stdout.write(`${versionText()}\n`);
    process.exit();
  });

// Every command is known by name, so that a misspelt one is recognised; only the one that is called is loaded.
const called = process.argv.slice(2).find((word) => !word.startsWith("-")) ?? "";
for (const [name, { summary }] of Object.entries(commands)) {
  const command = name === called ? await loadCommand(name) : undefined;
  program.addCommand(command ?? new Command(name).description(summary));
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else if (error instanceof Problem) {
    process.stderr.write(`lab: ${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
