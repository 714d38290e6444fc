/** Finds free TCP ports on loopback, for servers whose port must be known before they listen. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below Linux's range for outgoing connections (ip_local_port_range), so that none of these uses the port. */
const [lowest, highest] = [10_000, 32_767];

/** A port without a listener. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(lowest, highest + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port on 127.0.0.1: 100 tries from ${lowest} to ${highest}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
  });
  if (listens) await new Promise((resolve) => server.close(resolve));
  return listens;
}
