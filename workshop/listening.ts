/** Waits for servers and tunnels of this computer. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until something listens on a port of 127.0.0.1.
 * @param ended whether the program that should listen has ended
 * @returns false if it ended before it listened
 */
export async function untilListening(port: number, ended: () => boolean): Promise<boolean> {
  while (!ended()) {
    const socket = connect({ host: "127.0.0.1", port });
    const connected = await new Promise((resolve) =>
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false)),
    );
    socket.destroy();
    if (connected === true) return true;
    await sleep(100);
  }
  return false;
}
