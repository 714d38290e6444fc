/** `./lab doctor`: checks whether this computer can run the lab, and gives advice if not. */
import { Command } from "commander";
import { diagnose } from "../diagnosis.ts";

export const doctor = new Command("doctor")
  .addHelpText(
    "after",
    `
It changes nothing. The exit status is 1 if something is bad; notes are informational.

Examples:
  ./lab doctor`,
  )
  .action(async () => {
    const findings = await diagnose();
    for (const { subject, verdict, text, advice } of findings) {
      process.stdout.write(`${verdict.padEnd(5)} ${subject.padEnd(16)} ${text}\n`);
      if (verdict !== "ok" && advice) process.stdout.write(`${" ".repeat(23)}-> ${advice}\n`);
    }
    process.exitCode = findings.some((finding) => finding.verdict === "bad") ? 1 : 0;
  });
