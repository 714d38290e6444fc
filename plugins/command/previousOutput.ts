/** Passes the last run's output to the next run's environment, for `addPreviousOutputInEnv`. */
import { plain, type Properties } from "./wire.ts";

/** Longest string that Linux accepts in an environment (MAX_ARG_STRLEN, minus a page for its name). */
const longest = 128 * 1024 - 4096;

/** PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR, if there is such output and it is not too long. */
export function previousOutput(
  inputs: Properties,
  previous: Properties,
  warn: (text: string) => void,
): Record<string, string> {
  if (inputs["addPreviousOutputInEnv"] !== undefined && plain(inputs["addPreviousOutputInEnv"]) === false)
    return {};
  const entries = (["stdout", "stderr"] as const).flatMap((stream) => {
    const value = plain(previous[stream] ?? "");
    if (typeof value !== "string" || value === "") return [];
    const name = `PULUMI_COMMAND_${stream.toUpperCase()}`;
    if (Buffer.byteLength(value) > longest) {
      warn(`${name} is not set: the previous ${stream} is longer than a system takes in an environment`);
      return [];
    }
    return [[name, value.replaceAll("\0", "")]];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}
