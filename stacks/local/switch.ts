/**
 * The switch of a stack's private network: a program that runs as long as the lab is up. Each QEMU connects to the unix
 * socket `s` in the folder in which the program was started. Each message is a length of four bytes and an Ethernet frame, the
 * protocol of `-netdev stream` in every build of QEMU. The switch answers an empty frame with an empty frame, as a health
 * check.
 */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";

/** Longer frames are invalid: QEMU's own limit for this protocol. */
const longestFrame = 4096 + 65536;
/** Maximum bytes buffered for a machine that does not read. Further frames are dropped, as in any switch. */
const longestQueue = 4 * 2 ** 20;
const header = 4;
const hello = Buffer.alloc(header);

const ports = new Set<Socket>();
/** The port on which a hardware address was last seen. */
const table = new Map<number, Socket>();

function plugIn(port: Socket): void {
  ports.add(port);
  let rest: Buffer = Buffer.alloc(0);
  port.on("data", (chunk) => {
    const left = forward(port, rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
    if (left) rest = left;
    else port.destroy();
  });
  // A killed machine resets its connection, which must not end the switch.
  port.on("error", () => undefined);
  port.on("close", () => {
    ports.delete(port);
    for (const [address, its] of table) if (its === port) table.delete(address);
  });
}

/** Forwards every complete frame in `data`. @returns the incomplete frame at its end; undefined if the data is invalid */
function forward(from: Socket, data: Buffer): Buffer | undefined {
  let at = 0;
  // Consecutive frames for the same port are written together.
  let run: { readonly to: Socket; readonly start: number } | undefined;
  const flush = (): void => {
    if (run) send(run.to, data.subarray(run.start, at));
    run = undefined;
  };
  for (let end; data.length - at >= header; at = end) {
    const length = data.readUInt32BE(at);
    if (length > longestFrame) return undefined;
    end = at + header + length;
    if (end > data.length) break;
    const to = length === 0 ? "asker" : targetOf(from, data.subarray(at + header, end));
    if (run?.to === to) continue;
    flush();
    if (to === "asker") send(from, hello);
    else if (to === "all") for (const port of ports) if (port !== from) send(port, data.subarray(at, end));
    if (typeof to === "object") run = { to, start: at };
  }
  flush();
  return data.subarray(at);
}

/** The destination port of a frame; "none" if it is the port of origin. */
function targetOf(from: Socket, frame: Buffer): Socket | "all" | "none" {
  if (frame.length < 14) return "none";
  table.set(frame.readUIntBE(6, 6), from);
  const isForMany = (frame[0] ?? 0) % 2 === 1;
  const to = isForMany ? undefined : table.get(frame.readUIntBE(0, 6));
  if (to === from) return "none";
  return to ?? "all";
}

function send(to: Socket, bytes: Buffer): void {
  if (to.writableLength < longestQueue) to.write(bytes);
}

// Only this user may connect.
process.umask(0o177);
rmSync("s", { force: true });
createServer(plugIn).listen("s");
process.on("SIGTERM", () => {
  rmSync("s", { force: true });
  process.exit();
});
// The switch outlives the terminal in which it was started.
process.on("SIGHUP", () => undefined);
