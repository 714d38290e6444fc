/** `./lab class`: a lab on AWS for each student on a list. */
import { Command } from "commander";
import type { ClassOptions } from "../classActions.ts";

export const classCommand = new Command("class")
  .requiredOption("--students <file>", "CSV with a header: id, and optionally name and email")
  .option("--up", "create or update the labs")
  .option("--down", "remove the labs")
  .option("--status", "list the labs")
  .option("--settings <stack>", "the stack whose settings each lab gets", "aws")
  .option("--parallel <n>", "labs at once", "4")
  .option("-y, --yes", "do not ask", false)
  .addHelpText(
    "after",
    `
Shows the cost of all labs first. If a lab fails, the others continue; run the same command again for the failed ones. Each
student's sheet, key and log are in .lab/class/ID/: give that folder, without the log, to the student.

Examples:
  ./lab class --students list.csv --up
  ./lab class --students list.csv --status
  ./lab class --students list.csv --down`,
  )
  .action(async (options: ClassOptions) => {
    // Loaded on demand: Pulumi's Automation API would slow the start of every other command.
    const { runClass } = await import("../classActions.ts");
    await runClass(options);
  });
