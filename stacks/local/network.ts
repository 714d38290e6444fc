/** The private network of a stack: a vde_switch, run without root, that the machines' second cards are plugged into. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { end, identify, isAlive, type ProcessId } from "./process.ts";
import { networkFolder, stackFolder } from "./paths.ts";
import { readState, writeState } from "./state.ts";

interface NetworkState {
  readonly process: ProcessId;
  /** Counts the starts: another number means that machines must be plugged in again. */
  readonly revision: number;
}

/** The switch's socket folder, relative to the stack's folder: QEMU and the switch both run there. */
export const switchSocket = "network/switch";

const stateFile = (stack: string): string => join(networkFolder(stack), "state.json");

function readNetwork(stack: string): NetworkState | undefined {
  return readState(stateFile(stack)) as NetworkState | undefined;
}

/** State of the switch, or undefined when it is not running. */
export function runningNetwork(stack: string): NetworkState | undefined {
  const state = readNetwork(stack);
  return state && isAlive(state.process) ? state : undefined;
}

/** The revision that the switch has, or will have when it is started again. */
export function networkRevision(stack: string): number {
  const state = readNetwork(stack);
  if (!state) return 1;
  return isAlive(state.process) ? state.revision : state.revision + 1;
}

/** Starts the switch unless it runs. */
export async function startNetwork(stack: string): Promise<NetworkState> {
  const running = runningNetwork(stack);
  if (running) return running;
  const revision = networkRevision(stack);
  const folder = networkFolder(stack);
  // Sockets of a switch that was killed would keep the new one from starting.
  await rm(join(folder, "switch"), { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pidFile = join(folder, "pid");
  await execa(
    "vde_switch",
    ["--daemon", "--sock", switchSocket, "--dirmode", "0700", "--mode", "0600", "--pidfile", "network/pid"],
    { cwd: stackFolder(stack), stdin: "ignore" },
  );
  const process = identify(Number(readFileSync(pidFile, "utf8")));
  if (!process) throw new Error(`the private network's vde_switch of stack ${stack} ended at once`);
  const state = { process, revision };
  writeState(stateFile(stack), state);
  return state;
}

/** Stops the switch and removes its folder. */
export async function stopNetwork(stack: string): Promise<void> {
  const state = readNetwork(stack);
  if (state && !(await end(state.process))) {
    throw new Error(`vde_switch of stack ${stack} (pid ${state.process.pid}) does not end`);
  }
  if (existsSync(networkFolder(stack))) await rm(networkFolder(stack), { recursive: true });
}
