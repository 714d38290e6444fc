/** A small client of the QEMU Machine Protocol, over the machine's unix socket. */
import { createInterface } from "node:readline";
import { connectTo } from "./unixSocket.ts";

/** Runs QMP commands in order and returns their `return` values. Rejects after `ms` or if QEMU reports an error. */
export async function qmp(socketPath: string, commands: readonly string[], ms: number): Promise<unknown[]> {
  const socket = await connectTo(socketPath);
  const timer = setTimeout(
    () => socket.destroy(new Error(`QEMU did not answer on ${socketPath} in ${ms} ms`)),
    ms,
  );
  try {
    const results: unknown[] = [];
    const queue = ["qmp_capabilities", ...commands];
    for await (const line of createInterface({ input: socket })) {
      const message = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string } };
      if (message.error) throw new Error(`QEMU refused a command: ${message.error.desc}`);
      if (message.QMP === undefined && !("return" in message)) continue; // an event
      if ("return" in message) results.push(message.return);
      const next = queue.shift();
      if (next === undefined) break;
      socket.write(`${JSON.stringify({ execute: next })}\n`);
    }
    return results.slice(1);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
