/**
 * A program of named actions that a resource runs (ensure.ts). What to do comes as JSON on standard input, since some of it
 * is secret; the answer is one JSON document on standard output, and progress goes to standard error.
 */
import { text } from "node:stream/consumers";

/** A line of progress. */
export const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Runs the action that the command line names. */
export async function runAction(
  actions: Readonly<Record<string, (input: never) => Promise<unknown>>>,
): Promise<void> {
  try {
    const name = process.argv.slice(2).join(" ");
    const action = actions[name];
    if (!action) throw new Error(`no action "${name}"; there are: ${Object.keys(actions).join(", ")}`);
    const answer = await action(JSON.parse(await text(process.stdin)) as never);
    if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer)}\n`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
