/** `./lab setup`: everything that the other commands need, without a lab. */
import { Command, Option } from "commander";
import type { Purpose } from "../setup/debian.ts";
import { setUp } from "../setup/steps.ts";

export const setup = new Command("setup")
  .addOption(
    new Option("--for <purpose>", "for `up`, or also for `test`").choices(["lab", "test"]).default("lab"),
  )
  .option("--dry-run", "print what would be done, and do nothing", false)
  .addHelpText(
    "after",
    `
Runs again at any time: what is there already is left alone. up and test run it by themselves.

Examples:
  ./lab setup --dry-run       see what it would do
  ./lab setup
  ./lab setup --for test      also what only tests use`,
  )
  .action(async (options: { for: Purpose; dryRun: boolean }) => {
    await setUp(options.for, { dryRun: options.dryRun });
  });
