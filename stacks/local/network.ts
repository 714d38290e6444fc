/**
 * The private network of a stack, created without root: a switch (switch.ts) to which the machines' second network cards
 * connect over a unix socket in the stack's folder, which no other user of this computer can enter.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { end, identify, type ProcessId } from "../../workshop/process.ts";
import { readState, writeState } from "../../workshop/state.ts";
import { networkFolder } from "./paths.ts";
import { isOwn, ownProcesses } from "./processes.ts";
import { connectTo } from "./unixSocket.ts";

interface NetworkState {
  readonly process: ProcessId;
  /** Changes when machines must be connected again. */
  readonly revision: number;
}

const stateFile = (stack: string): string => join(networkFolder(stack), "state.json");
const socketFile = (stack: string): string => join(networkFolder(stack), "s");
const program = fileURLToPath(new URL("./switch.ts", import.meta.url));

/** Time limit for a switch's answer: on a busy computer it may not be scheduled for seconds. */
const answerMs = 30_000;

function readNetwork(stack: string): NetworkState | undefined {
  return readState(stateFile(stack)) as NetworkState | undefined;
}

/** State of the switch; undefined if it is not running or does not answer on its socket. */
export async function runningNetwork(stack: string): Promise<NetworkState | undefined> {
  const state = readNetwork(stack);
  return state && isOwn(stack, state.process) && (await answers(stack)) ? state : undefined;
}

/** Whether the switch answers an empty frame. */
async function answers(stack: string): Promise<boolean> {
  const port = await connectTo(socketFile(stack)).catch(() => undefined);
  if (!port) return false;
  const timer = setTimeout(() => port.destroy(new Error("no answer")), answerMs);
  try {
    port.write(Buffer.alloc(4));
    let data: Buffer = Buffer.alloc(0);
    for await (const chunk of port) {
      data = Buffer.concat([data, chunk as Buffer]);
      // Broadcasts from other machines may arrive first.
      for (let length; data.length >= 4; data = data.subarray(4 + length)) {
        length = data.readUInt32BE(0);
        if (length === 0) return true;
        if (data.length < 4 + length) break;
      }
    }
    return false;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    port.destroy();
  }
}

/**
 * The revision that the switch has, or will have after its next start. If none is known, a new number, so that a network
 * whose folder was lost appears as a change.
 */
export async function networkRevision(stack: string): Promise<number> {
  const state = readNetwork(stack);
  if (!state) return Date.now();
  return (await runningNetwork(stack)) ? state.revision : state.revision + 1;
}

/** Starts the switch unless it runs. */
export async function startNetwork(stack: string, revision?: number): Promise<NetworkState> {
  const running = await runningNetwork(stack);
  if (running) return running;
  const wanted = revision ?? (await networkRevision(stack));
  // Includes a switch without a state file, for example if the process that started it was killed.
  await endSwitches(stack);
  const folder = networkFolder(stack);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const state = { process: await startSwitch(stack, folder), revision: wanted };
  writeState(stateFile(stack), state);
  return state;
}

async function startSwitch(stack: string, folder: string): Promise<ProcessId> {
  const log = join(folder, "switch.log");
  const output = openSync(log, "w", 0o600);
  try {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      cwd: folder,
      detached: true,
      env: { PATH: process.env.PATH },
      stdio: ["ignore", output, output],
    });
    await once(child, "spawn");
    child.unref();
    const id = identify(child.pid ?? 0);
    // Wait without a time limit, because a busy computer may schedule it late. It has failed only if it ends.
    while (child.exitCode === null && child.signalCode === null) {
      if (id && (await answers(stack))) return id;
      await sleep(20);
    }
  } finally {
    closeSync(output);
  }
  const said = (await readFile(log, "utf8")).trim().split("\n").slice(-5).join("\n");
  throw new Error(`the private network switch of stack ${stack} exited at once: ${said}`);
}

/** A connection to the stack's switch, passed to QEMU at its start. */
export function plug(stack: string): Promise<Socket> {
  return connectTo(socketFile(stack));
}

async function endSwitches(stack: string): Promise<void> {
  const switches = ownProcesses(stack).filter(({ what }) => !what.includes("qemu-system-"));
  for (const each of switches) {
    if (!(await end(each)))
      throw new Error(
        `the switch of stack ${stack} (process ${each.pid}) does not exit; see: ps ${each.pid}`,
      );
  }
}

/** Stops the switch and removes its folder. */
export async function stopNetwork(stack: string): Promise<void> {
  await endSwitches(stack);
  await rm(networkFolder(stack), { recursive: true, force: true });
}
