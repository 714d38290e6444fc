/** Connects to unix sockets with paths of any length: the kernel's limit is 107 bytes, and a checkout can be deeper. */
import { closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";

/** A paused connection to the socket at `path`, reached through its open folder. Rejects if nothing listens there. */
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
