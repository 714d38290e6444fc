/**
 * A program with named actions, run by a resource (ensure.ts). It reads its arguments as JSON from standard input, because some
 * are secret, prints one JSON document on standard output, and reports progress on standard error.
 */
import { text } from "node:stream/consumers";

/** A line of progress. */
export const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Runs the action named on the command line. */
export async function runAction(
  actions: Readonly<Record<string, (input: never) => Promise<unknown>>>,
): Promise<void> {
  try {
    const name = process.argv.slice(2).join(" ");
    const action = actions[name];
    if (!action) throw new Error(`no action "${name}"; actions: ${Object.keys(actions).join(", ")}`);
    const answer = await action(JSON.parse(await text(process.stdin)) as never);
    if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer)}\n`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
