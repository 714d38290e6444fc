/** Connections to unix sockets at any depth: a socket's path holds 107 bytes, and a checkout can be deeper than that. */
import { closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";

/** A paused connection to the socket at `path`, reached through its open folder. Rejects when nobody listens there. */
export async function connectTo(path: string): Promise<Socket> {
  const folder = openSync(dirname(path), "r");
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(`/proc/self/fd/${folder}/${basename(path)}`);
      socket.pause();
      socket.once("connect", () => resolve(socket)).once("error", reject);
    });
  } finally {
    closeSync(folder);
  }
}
