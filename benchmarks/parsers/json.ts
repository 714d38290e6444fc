/** Extracts JSON from the output of programs that also write other text. */
import { z } from "zod";

/** Output that cannot be turned into a figure: the message is the reason in `INVALID(reason)`. */
export class InvalidOutput extends Error {}

/**
 * The only JSON object in a text: from the first line that begins with `{` to its closing brace. Text before and after (fio's
 * notes) is ignored, but a second object is an error, because it would be ambiguous.
 */
export function onlyObject(text: string, program: string): unknown {
  const start = text.search(/^\{/m);
  if (start < 0) throw new InvalidOutput(`${program} wrote ${text.trim() === "" ? "nothing" : "no JSON"}`);
  const end = closing(text, start);
  if (end === undefined) throw new InvalidOutput(`the JSON of ${program} is cut off`);
  if (/^\{/m.test(text.slice(end))) throw new InvalidOutput(`${program} wrote more than one JSON document`);
  try {
    return JSON.parse(text.slice(start, end));
  } catch (error) {
    throw new InvalidOutput(`the JSON of ${program} is broken: ${(error as Error).message}`);
  }
}

/** Index after the closing brace of the object that begins at `start`; undefined if the text ends before it. */
export function closing(text: string, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let index = start; index < text.length; index++) {
    const character = text[index];
    if (inString) {
      if (character === "\\") index++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return index + 1;
  }
  return undefined;
}

/** Validates a value by a schema; throws InvalidOutput with the first invalid key. */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, program: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InvalidOutput(
    `${program}: ${issue?.path.join(".") ?? "?"}: ${issue?.message ?? "not understood"}`,
  );
}
