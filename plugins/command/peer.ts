/**
 * Access control for the provider. Every user of this computer can connect to its loopback port, and a call can run any command
 * as the provider's user. So a call is rejected unless its connection was opened by that user or by root.
 */
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";

/** Linux's table of TCP connections over IPv4: the fields of a line are in proc(5). */
const table = "/proc/net/tcp";

/**
 * The user who opened a connection over loopback, by the kernel's own record.
 * @param peer `ADDRESS:PORT` of the other end, IPv4
 * @param port of ours
 * @returns undefined when there is no such connection any more
 */
export function uidOf(
  peer: string,
  port: number,
  connections = readFileSync(table, "utf8"),
): number | undefined {
  const [address = "", peerPort = ""] = peer.split(":");
  const local = `${hexAddress(address)}:${hexPort(Number(peerPort))}`;
  for (const line of connections.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local && fields[2]?.endsWith(`:${hexPort(port)}`)) return Number(fields[7]);
  }
  return undefined;
}

/** As the kernel prints an IPv4 address: the bytes in the order of this little-endian machine. */
function hexAddress(address: string): string {
  return Buffer.from(address.split(".").map(Number).reverse()).toString("hex").toUpperCase();
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/**
 * Refuses the calls of other users.
 * @param port tells ours, once it is known
 */
export function ownUserOnly(port: () => number): grpc.ServerInterceptor {
  const own = process.getuid?.();
  return (_method, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const uid = uidOf(call.getPeer(), port());
            if (uid === own || uid === 0) proceed(metadata);
            else
              call.sendStatus({
                code: grpc.status.PERMISSION_DENIED,
                details: "only the user who started this provider may call it",
              });
          },
        }),
    });
}
