/** A resource type of the test provider. Values are the program's inputs, without secret marks. */
import type { Properties } from "../../../plugins/command/wire.ts";

export interface ResourceType {
  /** Inputs that can change in place; any other change replaces the resource. */
  readonly updatable: readonly string[];
  /** True for a changed input in which only tags changed. */
  readonly onlyTags?: (key: string, before: Properties, after: Properties) => boolean;
  readonly deleteBeforeReplace?: boolean;
  create(inputs: Properties, name: string): Promise<{ id: string; outputs: Properties }>;
  /** The current outputs; undefined if the resource no longer exists. */
  read(id: string, state: Properties): Promise<Properties | undefined>;
  update?(id: string, inputs: Properties, state: Properties): Promise<void>;
  delete(id: string, state: Properties): Promise<void>;
}

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export function tagList(tags: unknown): Tag[] {
  return Object.entries((tags ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
}

/** The error code of AWS in an exception of its SDK. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** undefined if AWS reports that the resource does not exist. */
export async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (/NotFound|NoSuch|DoesNotExist/.test(codeOf(error))) return undefined;
    throw error;
  }
}

/** A short unique suffix for a name. */
export function unique(): string {
  return Math.random().toString(16).slice(2, 9);
}
