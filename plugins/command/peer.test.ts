/** Two users of one computer: the kernel distinguishes them, and the provider serves only one. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { uidOf } from "./peer.ts";

describe("uidOf", () => {
  // As Linux 6.12 wrote it; the second connection is the other end of the first.
  const connections = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 4711 1 0 20 4 30 10 -1",
    "   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1",
    "",
  ].join("\n");

  it("is the user of the other end, not of this one", () => {
    expect(uidOf("127.0.0.1:40000", 8080, connections)).toBe(1001);
  });

  it.each(["127.0.0.2:40000", "127.0.0.1:40001", "unknown", ""])("is undefined for %j", (peer) => {
    expect(uidOf(peer, 8080, connections)).toBeUndefined();
  });

  it("ignores a connection to another port", () => {
    expect(uidOf("127.0.0.1:40000", 8081, connections)).toBeUndefined();
  });
});

/** A gRPC call without arguments by Node.js's own HTTP/2, as the user that the first argument names; prints its status. */
const caller = `
  const [uid, port] = process.argv.slice(1).map(Number);
  if (uid !== process.getuid()) { process.setgroups([uid]); process.setgid(uid); process.setuid(uid); }
  const http2 = require("node:http2");
  const session = http2.connect("http://127.0.0.1:" + port);
  const call = session.request({ ":method": "POST", ":path": "/pulumirpc.ResourceProvider/GetPluginInfo",
    "content-type": "application/grpc", te: "trailers" });
  let status;
  call.on("response", (headers) => (status ??= headers["grpc-status"]));
  call.on("trailers", (headers) => (status ??= headers["grpc-status"]));
  call.on("close", () => { console.log(status); session.close(); });
  call.resume();
  call.end(Buffer.alloc(5));
`;

describe("the provider", () => {
  let folder: string;
  let provider: ChildProcess;
  let port: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "peer-"));
    provider = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "127.0.0.1:1"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    [port] = (await once(createInterface(provider.stdout!), "line")) as [string];
  });
  afterAll(async () => {
    provider.stdin!.end();
    await once(provider, "exit");
    rmSync(folder, { recursive: true });
    expect(existsSync(folder)).toBe(false);
  });

  const statusFor = async (uid: number): Promise<string> => {
    // A user other than root cannot become another one by himself.
    const sudo = process.getuid?.() === 0 || uid === process.getuid?.() ? [] : ["sudo", "-n"];
    const command = [...sudo, process.execPath, "-e", caller, String(uid), port];
    return (await promisify(execFile)(command[0]!, command.slice(1))).stdout.trim();
  };

  it("answers a call of its own user", async () => {
    expect(await statusFor(process.getuid!())).toBe("0");
  });

  it("refuses a call of another user of this computer (7: gRPC's PERMISSION_DENIED)", async () => {
    expect(await statusFor(65_534)).toBe("7");
  });
});
