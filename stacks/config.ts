/** Reads every key of this project from the stack's configuration, so that misspelt keys are detected. */
import { getProject } from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/config.js";

/** Keys without the project's name; values parsed if they are JSON. */
export function stackConfig(): Record<string, unknown> {
  const prefix = `${getProject()}:`;
  const entries = Object.entries(allConfig()).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(entries.map(([key, text]) => [key.slice(prefix.length), parse(text)]));
}

/** Numbers, booleans, lists and objects are JSON; everything else is plain text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
