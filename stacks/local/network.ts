/** The private network of a stack: a vde_switch, run without root, that the machines' second cards are plugged into. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { end, identify, isAlive, type ProcessId } from "./process.ts";
import { networkFolder, stackFolder, switchFolder } from "./paths.ts";
import { readState, writeState } from "./state.ts";

interface NetworkState {
  readonly process: ProcessId;
  /** Counts the starts: another number means that machines must be plugged in again. */
  readonly revision: number;
}

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
  const pidFile = join(networkFolder(stack), "pid");
  const sockets = switchFolder(stack);
  // Sockets of a switch that was killed would keep the new one from starting.
  await rm(sockets, { recursive: true, force: true });
  await rm(pidFile, { force: true });
  await mkdir(networkFolder(stack), { recursive: true, mode: 0o700 });
  // Not recursive: in a folder for all users, a name that somebody else has taken must be an error.
  await mkdir(sockets, { mode: 0o700 });
  await execa(
    "vde_switch",
    ["--daemon", "--sock", join(sockets, "s"), "--dirmode", "0700", "--mode", "0600", "--pidfile", pidFile],
    { cwd: stackFolder(stack), stdin: "ignore" },
  );
  const process = await started(pidFile);
  if (!process) throw new Error(`the private network's vde_switch of stack ${stack} ended at once`);
  const state = { process, revision };
  writeState(stateFile(stack), state);
  return state;
}

/** The process that a daemon has written to its pid file; it does so only after its parent has ended. */
async function started(pidFile: string): Promise<ProcessId | undefined> {
  for (let tries = 0; tries < 100; tries++) {
    const text = existsSync(pidFile) ? readFileSync(pidFile, "utf8") : "";
    if (text.endsWith("\n")) return identify(Number(text));
    await sleep(20);
  }
  return undefined;
}

/** Stops the switch and removes its folder. */
export async function stopNetwork(stack: string): Promise<void> {
  const state = readNetwork(stack);
  if (state && !(await end(state.process))) {
    throw new Error(`vde_switch of stack ${stack} (pid ${state.process.pid}) does not end`);
  }
  await rm(switchFolder(stack), { recursive: true, force: true });
  await rm(networkFolder(stack), { recursive: true, force: true });
}
