/** Runs `pulumi up` for ./lab, and prints the benchmark's verdicts at the end instead of all outputs. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { WriteStream } from "node:tty";
import { resultsFolder } from "../benchmarks/results.ts";
import { runSchema } from "../benchmarks/run.ts";
import { verdictTable } from "../benchmarks/verdictTable.ts";
import { quote } from "../provisioning/shell.ts";
import { labCommand } from "../stacks/labCommand.ts";
import { say, type Pulumi } from "./pulumi.ts";

/**
 * Runs `up` of a stack, and once more if the first only made room for the benchmark (stacks/leaving.ts); returns the exit status.
 * Programs can read the outputs with `pulumi stack output`.
 */
export async function upWithVerdicts(
  pulumi: Pulumi,
  flags: readonly string[],
  again = false,
): Promise<number> {
  const status = await pulumi.run("up", "--suppress-outputs", ...flags);
  if (status !== 0) return status;
  if (!again && (await pulumi.output("benchmarkWaits")) === true) {
    say("what the settings no longer have is removed; the benchmark follows");
    return await upWithVerdicts(pulumi, flags, true);
  }
  process.stdout.write(closing({ benchmarkRun: await pulumi.output("benchmarkRun") }, pulumi.stack));
  return status;
}

/** The last lines of `./lab up`, from the stack's outputs. */
export function closing(
  outputs: Readonly<Record<string, unknown>> | undefined,
  stack: string,
  folder = resultsFolder,
  colours = hasColours(process.stdout),
): string {
  const run = outputs?.benchmarkRun as { readonly id: string; readonly path: string } | null | undefined;
  const output = (name = ""): string =>
    `eval "$(./lab env)"; pulumi stack output ${name}--stack ${quote(stack)}`;
  const next =
    `next: ${["status", "ssh NODE", "down"].map((command) => labCommand(stack, command)).join(", ")}\n` +
    `outputs: ${output()}\n`;
  if (!run) return `\n${next}`;
  const file = join(folder, run.id, "run.json");
  const parsed = existsSync(file) ? runSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
  if (!parsed?.success) {
    const why = parsed ? "was written by another version" : "is not here";
    return `\nbenchmark ${run.id}: ${file} ${why}; its verdicts: ${output("benchmarkSummary ")}\n${next}`;
  }
  return `\n${verdictTable(parsed.data, run.path, colours)}\n${next}`;
}

/** Whether the terminal shows colours and the user has not disabled them (NO_COLOR). */
export function hasColours(
  stream: Pick<WriteStream, "isTTY"> & Partial<Pick<WriteStream, "hasColors">>,
): boolean {
  return stream.isTTY && (stream.hasColors?.() ?? false);
}
