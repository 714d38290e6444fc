/**
 * SSH to machines without open ports: AWS Session Manager forwards a loopback port of this computer to a machine's port 22.
 * The forwards last as long as the program, and so as long as an `up`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The local port of a machine: the same at every `up`, for a changed connection would run its steps again.
 * @param index of the machine in the stack, below 1000
 */
export function forwardPort(stack: string, index: number): number {
  if (index < 0 || index >= 1000) throw new Error("Session Manager supports at most 1000 machines");
  const block = createHash("sha256").update(stack).digest().readUInt16BE() % 40;
  return 20_000 + block * 1000 + index;
}

export interface ForwardArgs {
  readonly instanceId: string;
  readonly port: number;
  readonly region: string;
  readonly profile?: string;
  /** Seconds to wait for the machine's agent to appear. */
  readonly waitSeconds?: number;
}

const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill();
});

/** The AWS CLI's arguments for one forward. */
export function forwardCommand({ instanceId, port, region, profile }: ForwardArgs): string[] {
  return [
    "ssm",
    "start-session",
    "--region",
    region,
    ...(profile === undefined ? [] : ["--profile", profile]),
    "--target",
    instanceId,
    "--document-name",
    "AWS-StartPortForwardingSession",
    "--parameters",
    JSON.stringify({ portNumber: ["22"], localPortNumber: [String(port)] }),
  ];
}

/**
 * Keeps a forward open until this process ends; resolves to its port once it takes connections.
 * @throws Error when there is no AWS CLI or the machine's agent does not show up in time.
 */
export async function forward(args: ForwardArgs): Promise<number> {
  const deadline = Date.now() + (args.waitSeconds ?? 600) * 1000;
  let last = "";
  while (Date.now() < deadline) {
    // A machine that has just booted is refused (TargetNotConnected) until its agent has registered.
    const child = spawn("aws", forwardCommand(args), {
      env: process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    const state = { missing: false, ended: false };
    const note = (data: Buffer) => {
      last = data.toString().trim().split("\n").at(-1) ?? last;
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
    child.once("error", () => {
      state.missing = state.ended = true;
    });
    child.once("exit", () => {
      children.delete(child);
      state.ended = true;
    });
    while (Date.now() < deadline && !state.ended) {
      if (await takesConnections(args.port)) {
        // An open forward must not keep the program from ending.
        child.unref();
        (child.stdout as unknown as { unref(): void }).unref();
        (child.stderr as unknown as { unref(): void }).unref();
        return args.port;
      }
      await sleep(500);
    }
    if (state.missing)
      throw new Error(
        "access: session-manager needs the AWS CLI (aws) and its session-manager-plugin on this machine's PATH",
      );
    await sleep(Math.min(5000, Math.max(0, deadline - Date.now())));
  }
  throw new Error(
    `no Session Manager forward to ${args.instanceId} on port ${args.port}; the last message was: ${last}`,
  );
}

async function takesConnections(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
