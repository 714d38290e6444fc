/** Determines which environment variables an SSH server accepts: it may drop them silently. */
import { randomUUID } from "node:crypto";
import type { Session } from "./session.ts";

const accepted = new WeakMap<Session, Map<string, boolean>>();

/** The names that the server does not pass to a command. Asks it once per session and name. */
export async function refusedNames(
  session: Session,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const known = accepted.get(session) ?? new Map<string, boolean>();
  accepted.set(session, known);
  const asked = names.filter((name) => !known.has(name));
  if (asked.length > 0) {
    const mark = randomUUID();
    const lines = (
      await session.ask("env", "", Object.fromEntries(asked.map((name) => [name, mark])), signal)
    ).split("\n");
    for (const name of asked) known.set(name, lines.includes(`${name}=${mark}`));
  }
  return names.filter((name) => known.get(name) === false);
}
