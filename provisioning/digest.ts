/** A short name for a state, for what must change when any of some values does. */
import { createHash } from "node:crypto";

/** First 12 hex digits of the SHA-256 of some values: enough to tell one state from another. */
export function digest(values: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 12);
}
