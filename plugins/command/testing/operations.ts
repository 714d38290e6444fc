/** Operations for tests that call the resource types without an engine. */
import { Operations, type Operation } from "../operation.ts";
import type { Properties } from "../wire.ts";

export interface Lines {
  readonly info: string[];
  readonly status: string[];
  readonly warn: string[];
  readonly debug: string[];
}

/** Runs `work` as the service would, and collects what it says. */
export async function operate<T>(
  work: (operation: Operation) => Promise<T>,
  { seconds = 0, operations = new Operations() }: { seconds?: number; operations?: Operations } = {},
): Promise<{ value: T; lines: Lines }> {
  const lines: Lines = { info: [], status: [], warn: [], debug: [] };
  const log = {
    info: (text: string) => void lines.info.push(text),
    status: (text: string) => void lines.status.push(text),
    warn: (text: string) => void lines.warn.push(text),
    debug: (text: string) => void lines.debug.push(text),
  };
  const value = await operations.run(seconds, (signal) => work({ urn: "urn:test", signal, log }));
  return { value, lines };
}

/** The message of the error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the operation succeeded; it should have failed");
}

/** An interface as the property values that the engine sends. */
export function properties(value: object): Properties {
  return JSON.parse(JSON.stringify(value)) as Properties;
}
