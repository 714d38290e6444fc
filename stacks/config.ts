/** The stack's configuration as Pulumi has it, every key of this project, so that a misspelt one is found. */
import { getProject } from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/config.js";

/** Keys without the project's name; values parsed where they are JSON. */
export function stackConfig(): Record<string, unknown> {
  const prefix = `${getProject()}:`;
  const entries = Object.entries(allConfig()).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(entries.map(([key, text]) => [key.slice(prefix.length), parse(text)]));
}

/** Numbers, booleans, lists and objects come as JSON; everything else is a word. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
