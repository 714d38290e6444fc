/**
 * Measures the provider from the engine's point of view: its start-up time, and the time of a remote step on an open connection,
 * compared with the same step without the provider. The server is an sshd on loopback.
 *
 *   node plugins/command/testing/measure.ts [STEPS]
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import ssh2 from "ssh2";
import { startSshd, type SshServer } from "../../../tests/support/sshd.ts";

const launcher = join(import.meta.dirname, "../pulumi-resource-command");
const starts = 10;

interface Plugin {
  readonly process: ChildProcess;
  readonly port: number;
  readonly milliseconds: number;
}

function startPlugin(): Promise<Plugin> {
  const started = performance.now();
  const child = spawn(launcher, ["127.0.0.1:1"], { stdio: ["pipe", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stdout.on("data", (chunk: Buffer) => {
      resolve({ process: child, port: Number(chunk.toString()), milliseconds: performance.now() - started });
    });
  });
}

/** Milliseconds of each run of `step`. */
async function time(count: number, step: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < count; run++) {
    const started = performance.now();
    await step();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b);
}

function print(what: string, sorted: readonly number[]): void {
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(1).padStart(6);
  console.log(
    `${what.padEnd(40)} least ${at(0)}   median ${at(0.5)}   95 % ${at(0.95)} ms   n=${sorted.length}`,
  );
}

/** Processor time of a process so far, in milliseconds; the kernel counts in hundredths of a second. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** One step through the provider, by the same call that the engine makes. */
function stepThroughPlugin(port: number, sshd: SshServer): () => Promise<void> {
  const client = new services.ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const request = new messages.CreateRequest();
  request.setUrn("urn:pulumi:test::test::command:remote:Command::x");
  request.setProperties(
    struct.Struct.fromJavaScript({
      connection: { ...sshd.connection },
      create: "bash -s",
      stdin: "true\n",
      logging: "none",
    }),
  );
  return () =>
    new Promise((resolve, reject) => {
      client.create(request, (error) => {
        if (error) reject(new Error(error.details));
        else resolve();
      });
    });
}

/** The same step with only ssh2, on an open connection. */
async function stepWithoutPlugin(sshd: SshServer): Promise<{ step: () => Promise<void>; end: () => void }> {
  const client = new ssh2.Client();
  await new Promise((resolve, reject) => {
    client.on("error", reject).on("ready", () => {
      client.setNoDelay(true);
      resolve(undefined);
    });
    client.connect({ ...sshd.connection, username: sshd.user, hostVerifier: () => true });
  });
  const step = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client.exec("bash -s", (error, channel) => {
        if (error) {
          reject(error);
          return;
        }
        channel.on("close", () => resolve()).resume();
        channel.stderr.resume();
        channel.end("true\n");
      });
    });
  return { step, end: () => client.end() };
}

const steps = Number(process.argv[2] ?? 200);
// Without the login user's .bashrc, which may take longer than everything else.
const sshd = await startSshd({ settings: ["SetEnv HOME=/nonexistent"] });
try {
  const startTimes: number[] = [];
  for (let run = 0; run < starts; run++) {
    const plugin = await startPlugin();
    startTimes.push(plugin.milliseconds);
    plugin.process.stdin?.end();
  }
  print(
    "start of the provider, until it serves",
    startTimes.sort((a, b) => a - b),
  );

  const plugin = await startPlugin();
  const through = stepThroughPlugin(plugin.port, sshd);
  print("first step, with the connection", await time(1, through));
  const without = await stepWithoutPlugin(sshd);
  // Alternating, so that both run under the same load.
  const before = processorTime(plugin.process.pid ?? 0);
  const [own, bare]: [number[], number[]] = [[], []];
  for (let run = 0; run < steps; run++) {
    own.push(...(await time(1, through)));
    bare.push(...(await time(1, without.step)));
  }
  print(
    "a step through the provider",
    own.sort((a, b) => a - b),
  );
  print(
    "the same step by ssh2 alone",
    bare.sort((a, b) => a - b),
  );
  const used = (processorTime(plugin.process.pid ?? 0) - before) / steps;
  const median = (sorted: number[]): number => sorted[Math.floor(sorted.length / 2)] ?? NaN;
  console.log(
    `the provider's own share: ${(median(own) - median(bare)).toFixed(1)} ms (difference of the medians)`,
  );
  console.log(`processor time of the provider: ${used.toFixed(1)} ms a step`);
  without.end();
  plugin.process.stdin?.end();
} finally {
  await sshd.remove();
}
process.exit(0);
