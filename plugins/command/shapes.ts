/** Checks inputs against a table of their types, so that mistakes are reported at preview. */
import { loggings } from "./output.ts";
import type { Fault } from "./resources.ts";
import { connectionFaults } from "./ssh/connection.ts";
import { isObject, plain, secret, unknown, type Properties, type Value } from "./wire.ts";

export type Shape = "text" | "flag" | "texts" | "map" | "list" | "logging" | "connection" | "source";

const words: Record<Shape, string> = {
  text: "a string",
  flag: "true or false",
  texts: "a list of strings",
  map: "an object whose values are strings",
  list: "a list",
  logging: `one of ${loggings.join(", ")}`,
  connection: "a connection",
  source: "an asset or an archive",
};

/** Faults of inputs that are not in the table, missing, or of another type. */
export function faultsOf(
  inputs: Properties,
  table: Readonly<Record<string, Shape>>,
  required: readonly string[],
): Fault[] {
  const missing = required
    .filter((property) => inputs[property] === undefined || inputs[property] === null)
    .map((property) => ({
      property,
      reason: `${property} is missing: it must be ${words[table[property] ?? "text"]}`,
    }));
  const wrong = Object.entries(inputs).flatMap(([property, value]): Fault[] => {
    const shape = table[property];
    if (shape === undefined) {
      const allowed = Object.keys(table).join(", ");
      return [{ property, reason: `there is no input "${property}"; the inputs are ${allowed}` }];
    }
    if (shape === "connection") return connectionFaults(value).map((reason) => ({ property, reason }));
    return fits(plain(value), shape) ? [] : [{ property, reason: `${property} must be ${words[shape]}` }];
  });
  return [...missing, ...wrong];
}

function fits(value: Value, shape: Shape): boolean {
  if (value === unknown || value === null) return true;
  const text = (inner: Value): boolean => typeof inner === "string";
  switch (shape) {
    case "text":
      return text(value);
    case "flag":
      return typeof value === "boolean";
    case "texts":
      return Array.isArray(value) && value.every(text);
    case "map":
      return isObject(value) && Object.values(value).every(text);
    case "list":
      return Array.isArray(value);
    case "logging":
      return loggings.some((logging) => logging === value);
    case "connection":
    case "source":
      return isObject(value);
  }
}

/** The inputs with the connection marked as secret, as in the schema. */
export function withSecretConnection(inputs: Properties): Properties {
  return inputs["connection"] === undefined
    ? inputs
    : { ...inputs, connection: secret(inputs["connection"]) };
}

/** A text input, without its secret mark. */
export function textOf(inputs: Properties, property: string): string | undefined {
  const value = inputs[property];
  const text = value === undefined ? undefined : plain(value);
  return typeof text === "string" ? text : undefined;
}

/** A list of texts, without secret marks. */
export function textsOf(inputs: Properties, property: string): string[] | undefined {
  const value = inputs[property];
  const list = value === undefined ? undefined : plain(value);
  return Array.isArray(list) ? list.map(String) : undefined;
}

/** A map of texts, without secret marks. */
export function mapOf(inputs: Properties, property: string): Record<string, string> {
  const value = inputs[property];
  const map = value === undefined ? undefined : plain(value);
  const texts = Object.entries(isObject(map) ? map : {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(texts);
}
