/** Removes the secrets of an operation's inputs from text for the log or an error. */
import { isObject, plain, secretTexts, type Properties, type Value } from "./wire.ts";

/** Shorter values hardly protect anything, and replacing them would make the text unreadable. */
const shortestValue = 3;
/** A secret of several lines (a key, a script) is replaced line by line; shorter lines are ordinary words. */
const shortestLine = 8;

export interface Redactor {
  /** The text with each secret replaced by `[secret]`. */
  readonly redact: (text: string) => string;
  /** True if the text contains a secret. */
  readonly finds: (text: string) => boolean;
  /** Length of the longest secret: a text that arrives in pieces must overlap by this much. */
  readonly longest: number;
}

/** A redactor for everything that is secret in an operation's inputs. */
export function redactorOf(inputs: Properties): Redactor {
  const { connection, ...others } = inputs;
  return redactor([
    ...secretTexts(others),
    ...(connection === undefined ? [] : credentials(plain(connection))),
  ]);
}

/** The secrets of a connection: the whole is marked as secret, but its host and user are ordinary words. */
function credentials(connection: Value): string[] {
  if (!isObject(connection)) return [];
  const own = [connection["password"], connection["privateKey"], connection["privateKeyPassword"]];
  const proxy = connection["proxy"];
  return [
    ...own.filter((value) => typeof value === "string"),
    ...(proxy === undefined ? [] : credentials(proxy)),
  ];
}

/** A redactor for the given secrets. */
export function redactor(values: readonly string[]): Redactor {
  const words = values.flatMap((value) => {
    const lines = value.split("\n").map((line) => line.trim());
    return lines.length === 1
      ? lines.filter((line) => line.length >= shortestValue)
      : lines.filter((line) => line.length >= shortestLine);
  });
  const unique = [...new Set(words)].sort((a, b) => b.length - a.length);
  if (unique.length === 0) return { redact: (text) => text, finds: () => false, longest: 0 };
  const pattern = new RegExp(
    unique.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"),
    "g",
  );
  return {
    redact: (text) => text.replace(pattern, "[secret]"),
    finds: (text) => text.search(pattern) >= 0,
    longest: unique[0]?.length ?? 0,
  };
}
