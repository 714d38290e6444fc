/** A loopback address for each instance of a test, in place of the public address that it would have. */
import { createHash } from "node:crypto";

export function loopbackAddress(instanceId: string): string {
  const [a = 0, b = 0] = createHash("sha256").update(instanceId).digest();
  return `127.77.${a}.${1 + (b % 254)}`;
}
