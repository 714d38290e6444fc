/**
 * The private network of a stack, made without root: a vde_switch that the machines' second cards are plugged into. Some
 * QEMUs (Ubuntu's) are built without vde; there the cards share a multicast group on loopback, which needs no program,
 * but which every user of this computer could join.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { end, identify, isAlive, type ProcessId } from "./process.ts";
import { networkFolder, stackFolder, switchFolder } from "./paths.ts";
import { readState, writeState } from "./state.ts";

interface NetworkState {
  /** The switch; undefined where there is none, and so nothing that could die. */
  readonly process?: ProcessId;
  /** Counts the starts: another number means that machines must be plugged in again. */
  readonly revision: number;
}

const stateFile = (stack: string): string => join(networkFolder(stack), "state.json");

function readNetwork(stack: string): NetworkState | undefined {
  return readState(stateFile(stack)) as NetworkState | undefined;
}

function isThere({ process }: NetworkState): boolean {
  return process === undefined || isAlive(process);
}

/** Whether this computer's QEMU was built with vde. `DISGRAFS_NETWORK=multicast` says no, for tests. */
async function hasVde(): Promise<boolean> {
  if (process.env.DISGRAFS_NETWORK === "multicast") return false;
  const { stdout } = await execa("qemu-system-x86_64", ["-netdev", "help"], { stdin: "ignore" });
  return /^vde$/m.test(stdout);
}

/** What `-netdev` takes, after its id, to plug a card into the stack's network. */
export async function privateNetdev(stack: string): Promise<string> {
  if (await hasVde()) return `vde,sock=${join(switchFolder(stack), "s")}`;
  // A group of the organisation's own scope (RFC 2365) and a port, both by the stack.
  const [a = 0, b = 0, c = 0, d = 0] = createHash("sha256").update(stackFolder(stack)).digest();
  return `socket,mcast=239.192.${a}.${b}:${20000 + c * 100 + (d % 100)},localaddr=127.0.0.1`;
}

/** State of the switch, or undefined when it is not running. */
export function runningNetwork(stack: string): NetworkState | undefined {
  const state = readNetwork(stack);
  return state && isThere(state) ? state : undefined;
}

/** The revision that the switch has, or will have when it is started again. */
export function networkRevision(stack: string): number {
  const state = readNetwork(stack);
  if (!state) return 1;
  return isThere(state) ? state.revision : state.revision + 1;
}

/** Starts the switch unless it runs. */
export async function startNetwork(stack: string): Promise<NetworkState> {
  const running = runningNetwork(stack);
  if (running) return running;
  const revision = networkRevision(stack);
  if (!(await hasVde())) {
    writeState(stateFile(stack), { revision });
    return { revision };
  }
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
  const daemon = await started(pidFile);
  if (!daemon)
    throw new Error(
      `the private network's vde_switch of stack ${stack} ended at once, or did not start in 30 s`,
    );
  const state = { process: daemon, revision };
  writeState(stateFile(stack), state);
  return state;
}

/** The process that a daemon has written to its pid file; it does so only after its parent has ended. */
async function started(pidFile: string): Promise<ProcessId | undefined> {
  // Milliseconds on an idle machine; a busy one may take long to run the daemon at all.
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    const text = existsSync(pidFile) ? readFileSync(pidFile, "utf8") : "";
    if (text.endsWith("\n")) return identify(Number(text));
    await sleep(20);
  }
  return undefined;
}

/** Stops the switch and removes its folder. */
export async function stopNetwork(stack: string): Promise<void> {
  const state = readNetwork(stack);
  if (state?.process && !(await end(state.process))) {
    throw new Error(`vde_switch of stack ${stack} (pid ${state.process.pid}) does not end`);
  }
  await rm(switchFolder(stack), { recursive: true, force: true });
  await rm(networkFolder(stack), { recursive: true, force: true });
}
