/** Compares two sets of inputs, by path, in the form of the engine's detailed diff. */
import { isObject, readAsset, type Properties, type Value } from "./wire.ts";

export type Kind = "add" | "delete" | "update";

export interface Change {
  /** As in `connection.host` or `triggers[0]`. */
  readonly path: string;
  /** The input that it is in. */
  readonly input: string;
  readonly kind: Kind;
}

/** All changes from `before` to `after`; both are free of secret marks. */
export function changes(before: Properties, after: Properties): Change[] {
  const inputs = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return inputs.flatMap((input) =>
    compare(before[input], after[input], input).map(({ path, kind }) => ({ path, input, kind })),
  );
}

function compare(
  before: Value | undefined,
  after: Value | undefined,
  path: string,
): { path: string; kind: Kind }[] {
  const none = (value: Value | undefined): value is null | undefined => value === undefined || value === null;
  if (none(before) && none(after)) return [];
  if (none(before)) return [{ path, kind: "add" }];
  if (none(after)) return [{ path, kind: "delete" }];
  const [old, now] = [readAsset(before), readAsset(after)];
  if (old?.hash && now?.hash)
    return old.hash === now.hash && old.kind === now.kind ? [] : [{ path, kind: "update" }];
  if (Array.isArray(before) && Array.isArray(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }).flatMap((_, index) =>
      compare(before[index], after[index], `${path}[${index}]`),
    );
  }
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => compare(before[key], after[key], `${path}${step(key)}`));
  }
  return before === after ? [] : [{ path, kind: "update" }];
}

function step(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
