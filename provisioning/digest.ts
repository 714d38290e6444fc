/** A short hash of values, used where a name must change whenever one of them changes. */
import { createHash } from "node:crypto";

/** The first 12 hex digits of the SHA-256 of the values: enough to distinguish states. */
export function digest(values: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 12);
}
