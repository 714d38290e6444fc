/** `./lab setup`: installs what the other commands need, without creating a lab. */
import { Command, Option } from "commander";
import type { Purpose } from "../setup/debian.ts";
import { setUp } from "../setup/steps.ts";

export const setup = new Command("setup")
  .addOption(
    new Option("--for <purpose>", "for `up`, or also for `test`").choices(["lab", "test"]).default("lab"),
  )
  .option("--dry-run", "only print what would be done", false)
  .addHelpText(
    "after",
    `
Can be run again at any time: what is already installed is not changed. up and test run it automatically.

Examples:
  ./lab setup --dry-run       see what it would do
  ./lab setup
  ./lab setup --for test      also install what only tests use`,
  )
  .action(async (options: { for: Purpose; dryRun: boolean }) => {
    await setUp(options.for, { dryRun: options.dryRun });
  });
