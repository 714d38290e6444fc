/** Starts the provider: serves gRPC on a free loopback port, prints the port, and ends when the engine does. */
import * as grpc from "@grpc/grpc-js";
import { ownUserOnly } from "./peer.ts";
import { Provider } from "./service.ts";

/** Time limit in milliseconds for running operations to end when the engine is gone or requests the end. */
const shutDownTimeout = 40_000;

// Set by our launcher, and not meant for the commands that run here.
delete process.env["NODE_COMPILE_CACHE"];

// The engine passes its address last; flags for logging and tracing may stand before it.
const engine = process.argv.slice(2).findLast((argument) => /^[^-].*:\d+$/.test(argument));
const provider = new Provider(engine);
let ownPort = 0;
const server = new grpc.Server({
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  interceptors: [ownUserOnly(() => ownPort)],
});
provider.addTo(server);

server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  ownPort = port;
  process.stdout.write(`${port}\n`);
});

let ending = false;
function end(): void {
  if (ending) return;
  ending = true;
  setTimeout(() => process.exit(1), shutDownTimeout).unref();
  void provider.shutDown().then(() => process.exit(0));
}

// The engine holds the other end of standard input and never writes to it: its end is the engine's end, however it died.
process.stdin.on("end", end).on("error", end).resume();
process.on("SIGINT", end).on("SIGTERM", end);
