/**
 * The switch of a stack's private network: a program that runs for as long as the lab is up. Each QEMU is a connection to
 * the unix socket `s` of the folder that it is started in. A frame on it is four bytes of length and an Ethernet frame:
 * what QEMU's `-netdev stream` speaks in every build of it. An empty frame is answered with one: so it is asked whether
 * the switch is alive.
 */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";

/** Longer frames are none: QEMU's own limit for this protocol. */
const longestFrame = 4096 + 65536;
/** Bytes that may wait for a machine that does not read. What comes then is dropped, as any switch does. */
const longestQueue = 4 * 2 ** 20;
const header = 4;
const hello = Buffer.alloc(header);

const ports = new Set<Socket>();
/** The port behind which a hardware address was seen last. */
const table = new Map<number, Socket>();

function plugIn(port: Socket): void {
  ports.add(port);
  let rest: Buffer = Buffer.alloc(0);
  port.on("data", (chunk) => {
    const left = forward(port, rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
    if (left) rest = left;
    else port.destroy();
  });
  // A machine that is killed is a connection that is reset: no reason to end.
  port.on("error", () => undefined);
  port.on("close", () => {
    ports.delete(port);
    for (const [address, its] of table) if (its === port) table.delete(address);
  });
}

/** Sends on every whole frame in `data`. @returns the part of a frame at its end; undefined when this is no frame */
function forward(from: Socket, data: Buffer): Buffer | undefined {
  let at = 0;
  // Frames that follow each other to the same port are written as one.
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

/** The port that a frame is for; "none" where it would go back to where it came from. */
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

// Only this user may plug in.
process.umask(0o177);
rmSync("s", { force: true });
createServer(plugIn).listen("s");
process.on("SIGTERM", () => {
  rmSync("s", { force: true });
  process.exit();
});
// It outlives the terminal in which it was started.
process.on("SIGHUP", () => undefined);
