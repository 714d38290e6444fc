/**
 * Starts, finds and stops a QEMU machine, which outlives the program that starts it. Its folder holds the overlay disk, the
 * seed disk, the QMP socket, the console log and state.json, which identifies the process.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import {
  acceleratorArgs,
  acceleratorEnv,
  chooseAccelerator,
  type Accelerator,
} from "../../workshop/accelerator.ts";
import { freePort } from "../../workshop/freePort.ts";
import { inLab } from "../../workshop/checkout.ts";
import { ensureImage, type Image } from "../../workshop/image/image.ts";
import { networkRevision, plug } from "./network.ts";
import { loginKeyFile, machineFolder, sshConfigFile, stackFolder } from "./paths.ts";
import { isOwn, machineProcesses } from "./processes.ts";
import { end, gone, identify, type ProcessId } from "../../workshop/process.ts";
import { qmp } from "./qmp.ts";
import { runAs, sandbox } from "./confinement.ts";
import { readState, writeState } from "../../workshop/state.ts";

export interface VmSpec {
  readonly stack: string;
  /** Mark of the stack's folder (owner.ts). */
  readonly owner?: string;
  readonly name: string;
  readonly kernel: LocalKernel;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Size of the root disk in GiB. */
  readonly diskGiB: number;
  /** Size in MiB of a second NVMe disk with serial `data` and poll queues, initially blank. Default: none. */
  readonly dataDiskMiB?: number;
  readonly accelerator: "auto" | Accelerator;
  /** `instructions`: guest time follows the number of instructions (QEMU's -icount). One CPU, emulation only. */
  readonly clock: "wall" | "instructions";
  /** Hardware address of the card on the private network. */
  readonly mac: string;
  /** Number of the requested start: see `vmRevision`. */
  readonly revision: number;
  /** Public line of the host key, for ssh's known_hosts. */
  readonly hostKey: string;
  /** cloud-config for the first boot. Secret: it holds the host key. */
  readonly userData: string;
}

export interface VmState {
  readonly process: ProcessId;
  readonly revision: number;
  /** Changes with the disk. */
  readonly id: string;
  /** Changes with every start. */
  readonly boot: string;
  /** SSH, on 127.0.0.1. */
  readonly port: number;
  readonly accelerator: Accelerator;
  /** The part of the specification whose change needs a restart, as JSON. */
  readonly shape: string;
  /** Revision of the private network's switch to which it is connected. */
  readonly network: number;
}

const stateFile = (stack: string, name: string): string => join(machineFolder(stack, name), "state.json");

export function vmState(stack: string, name: string): VmState | undefined {
  return readState(stateFile(stack, name)) as VmState | undefined;
}

/** State of a running machine of this stack. In a copied folder, the process number may belong to the original's machine. */
export function runningVm(stack: string, name: string): VmState | undefined {
  const state = vmState(stack, name);
  return state && isOwn(stack, state.process) ? state : undefined;
}

/**
 * The number of a machine's current start, or the next number if the machine or its network has died (a network card does not
 * reconnect to a new switch) or the guest was rebooted. It is an input of the resource, so that a machine that was killed, or
 * ended with a reboot of the host, appears as an update and returns with its disk. For an unknown machine it is a new number,
 * so that a lost folder also appears as a change.
 */
export async function vmRevision(stack: string, name: string, rebooted = false): Promise<number> {
  const state = vmState(stack, name);
  if (!state) return Date.now();
  const good = isOwn(stack, state.process) && !rebooted && state.network === (await networkRevision(stack));
  return good ? state.revision : state.revision + 1;
}

/**
 * Whether the guest was rebooted since the last `up`: QEMU then still runs, but the mark from the machine's first step
 * (provisioning/node/ready.sh) is gone. Undefined if the machine does not answer.
 */
export async function wasRebooted(stack: string, name: string): Promise<boolean | undefined> {
  const state = runningVm(stack, name);
  if (!state) return false;
  const { exitCode, stdout } = await tell(stack, name, "cat /run/disgrafs/boot 2>/dev/null || true", 30, 60);
  return exitCode === 0 ? stdout.trim() !== state.boot : undefined;
}

/** Runs one command on a machine that may not answer; never throws. Limits in seconds, for the connection and in total. */
async function tell(stack: string, name: string, command: string, connect: number, limit: number) {
  await mendSshConfig(stack, name);
  const words = [...sshWords(stack, name, connect), name, command];
  const options = { cwd: machineFolder(stack, name), timeout: limit * 1000, reject: false } as const;
  return await execa("ssh", words, { ...options, stdin: "ignore" });
}

/** Arguments of ssh to a machine, which uses the connection of an early login (earlyLogins.ts) if there is one; it runs in the machine's folder, because a socket's path must not be long. */
export function sshWords(stack: string, name: string, connect: number): string[] {
  const options = ["BatchMode=yes", `ConnectTimeout=${connect}`, "ControlPath=ssh.sock"];
  return ["-F", sshConfigFile(stack, name), ...options.flatMap((option) => ["-o", option])];
}

/** Starts a machine unless that start has been made already. */
export async function startVm(spec: VmSpec, say: (line: string) => void): Promise<VmState> {
  const { stack, name } = spec;
  const before = vmState(stack, name);
  const running = runningVm(stack, name);
  if (running) {
    // The current accelerator was chosen by "auto" or by the settings; if it is the same, no restart is needed.
    const accelerator = spec.accelerator === "auto" ? running.accelerator : spec.accelerator;
    const asWanted = running.shape === shapeOf(spec, accelerator);
    if (asWanted && running.revision >= spec.revision) return running;
    if (asWanted && running.network === (await networkRevision(stack))) {
      // The guest rebooted by itself: only record it.
      const state = { ...running, revision: spec.revision, boot: randomUUID() };
      writeState(stateFile(stack, name), state);
      return state;
    }
    await shutDown(stack, name);
  }
  // Stops a machine without a state file, for example if its starter was killed: two machines must not write to one disk.
  await stopVm(stack, name);
  const image = await ensureImage(spec.kernel, say);
  const accelerator = spec.accelerator === "auto" ? await chooseAccelerator(image, say) : spec.accelerator;
  const folder = machineFolder(stack, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const id = await ensureDisks(spec, image, folder, before?.id);
  const network = await networkRevision(stack);

  for (let tries = 0; ; tries++) {
    // The previous port, if it is still free, so that addresses that users have saved keep working.
    const port = tries === 0 && before ? before.port : await freePort();
    try {
      const process = await launch(spec, image, accelerator, port);
      const state = {
        process,
        revision: spec.revision,
        id,
        boot: randomUUID(),
        port,
        accelerator,
        network,
        shape: shapeOf(spec, accelerator),
      };
      writeState(stateFile(stack, name), state);
      await writeSshConfig(stack, name, port, spec.hostKey);
      return state;
    } catch (error) {
      if (!(error instanceof PortTaken) || tries >= 5) throw error;
      say(`port ${port} is in use by another program; trying another one for ${name}`);
    }
  }
}

/** Uses the existing disks, or creates new ones. @returns the id of the root disk */
async function ensureDisks(
  spec: VmSpec,
  image: Image,
  folder: string,
  id: string | undefined,
): Promise<string> {
  const root = join(folder, "root.qcow2");
  if (id === undefined || !existsSync(root)) {
    await rm(join(folder, "data.qcow2"), { force: true });
    await makeDisks(spec, image, folder);
    await makeDataDisk(spec, folder);
    return randomUUID();
  }
  await makeDataDisk(spec, folder);
  // The image is the same, but its path may have changed if the checkout or its cache was moved.
  await execa("qemu-img", ["rebase", "-u", "-F", "raw", "-b", backing(image, folder), root]);
  return id;
}

/** Creates a blank data disk, unless the machine already has one. */
async function makeDataDisk({ dataDiskMiB }: VmSpec, folder: string): Promise<void> {
  const file = join(folder, "data.qcow2");
  if (dataDiskMiB === undefined || existsSync(file)) return;
  const words = ["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", file, `${dataDiskMiB}M`];
  await execa("qemu-img", words);
}

/** An image in the same checkout is named by a relative path, so that both can be moved. */
function backing(image: Image, folder: string): string {
  return image.disk.startsWith(inLab("")) ? relative(folder, image.disk) : image.disk;
}

async function makeDisks(spec: VmSpec, image: Image, folder: string): Promise<void> {
  const root = join(folder, "root.qcow2");
  await rm(root, { force: true });
  await execa("qemu-img", [
    ...["create", "-q", "-f", "qcow2", "-b", backing(image, folder), "-F", "raw", "-o", "lazy_refcounts=on"],
    ...[root, `${spec.diskGiB}G`],
  ]);
  await writeSeed(join(folder, "seed"), spec.userData);
}

/** The disk with the machine's user data. Only this user can read it, because it contains the private host key. */
export async function writeSeed(file: string, userData: string): Promise<void> {
  // A disk's size is a multiple of its sectors; the reader drops the padding.
  const text = Buffer.from(userData);
  const padded = Buffer.concat([text, Buffer.alloc(4096 - (text.length % 4096))]);
  await writeFile(file, padded, { mode: 0o600 });
}

/**
 * Writes the configuration for `ssh -F`, for users and for ./lab ssh. Its paths are absolute, so that it works from any
 * folder; `mendSshConfig` updates it after the checkout was moved.
 */
async function writeSshConfig(stack: string, name: string, port: number, hostKey: string): Promise<void> {
  await writeFile(knownHosts(stack, name), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(sshConfigFile(stack, name), sshConfig(stack, name, port));
}

const knownHosts = (stack: string, name: string): string => join(machineFolder(stack, name), "known_hosts");

function sshConfig(stack: string, name: string, port: number): string {
  const lines = [
    `Host ${name}`,
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    "  User root",
    `  IdentityFile "${loginKeyFile(stack)}"`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile "${knownHosts(stack, name)}"`,
    "  StrictHostKeyChecking yes",
    "",
  ];
  return lines.join("\n");
}

/** Updates a machine's ssh configuration to the checkout's current path. */
export async function mendSshConfig(stack: string, name: string): Promise<void> {
  const state = vmState(stack, name);
  const file = sshConfigFile(stack, name);
  if (!state || !existsSync(file)) return;
  const text = sshConfig(stack, name, state.port);
  if (readFileSync(file, "utf8") !== text) await writeFile(file, text);
}

/** QEMU's command line. Paths are relative to the stack's folder, in which it starts. */
export function qemuArgs(spec: VmSpec, image: Image, accelerator: Accelerator, port: number): string[] {
  const here = `machines/${spec.name}`;
  const kernelLine = [
    // Without an initrd, disks have no other names. The kernel probes them in parallel, and the root is nearly always the
    // first one. If it is not, the kernel panics immediately (panic=-1), and the machine boots again.
    ...["root=/dev/nvme0n1", "rw", "rootflags=noinit_itable", "console=ttyS0", "quiet", "panic=-1"],
    ...["net.ifnames=0", "nowatchdog", "systemd.show_status=0"],
    // Emulated CPUs have nothing to mitigate; on KVM the kernel's defaults stay, because they are part of what is measured.
    // norandmaps: QEMU translates a program's code for the addresses at which it runs. With random addresses it has to do so
    // at each start, which was half of a small program's run time (docs/performance.md).
    // tsc=reliable: if an emulated machine has to wait for its host between two readings of its clocks, it considers the TSC
    // unstable. From then on it reads the HPET, which is slow, and the kernel patches its own code for that while the other
    // CPU runs it, which does not always work in emulation. All CPUs share the host's clock.
    ...(accelerator === "tcg" ? ["mitigations=off", "no_timer_check", "norandmaps", "tsc=reliable"] : []),
    ...(spec.dataDiskMiB === undefined ? [] : ["nvme.poll_queues=1"]),
  ];
  const dataDisk = [
    ...["-drive", `if=none,id=data,file=${here}/data.qcow2,format=qcow2,discard=unmap,cache=writeback`],
    ...["-device", "nvme,drive=data,serial=data"],
  ];
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-name", spec.name],
    ...acceleratorArgs(accelerator, spec.clock),
    ...["-smp", String(spec.clock === "instructions" ? 1 : spec.cpus), "-m", String(spec.memoryMiB)],
    ...["-kernel", image.kernel, "-append", kernelLine.join(" ")],
    ...["-drive", `if=none,id=root,file=${here}/root.qcow2,format=qcow2,discard=unmap,cache=writeback`],
    ...["-device", "nvme,drive=root,serial=root"],
    ...["-drive", `if=none,id=seed,file=${here}/seed,format=raw,readonly=on`],
    ...["-device", "nvme,drive=seed,serial=seed"],
    ...(spec.dataDiskMiB === undefined ? [] : dataDisk),
    ...["-netdev", `user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...["-device", "virtio-net-pci,netdev=user,mac=52:54:00:00:00:01,romfile="],
    ...["-netdev", `stream,id=lab,server=off,addr.type=fd,addr.str=${plugFd}`],
    ...["-device", `virtio-net-pci,netdev=lab,mac=${spec.mac},romfile=`],
    ...["-device", "virtio-rng-pci"],
    ...["-chardev", `file,id=console,path=${here}/console.log,append=on`, "-serial", "chardev:console"],
    ...["-qmp", `unix:${here}/qmp.sock,server=on,wait=off`],
    ...sandbox,
  ];
}

const qemu = "qemu-system-x86_64";

class PortTaken extends Error {}

/** File descriptor of QEMU's connection to the switch. */
const plugFd = 3;

async function launch(
  spec: VmSpec,
  image: Image,
  accelerator: Accelerator,
  port: number,
): Promise<ProcessId> {
  const folder = machineFolder(spec.stack, spec.name);
  const socket = join(folder, "qmp.sock");
  const log = join(folder, "qemu.log");
  await rm(socket, { force: true });
  const { stdout: help } = await execa(qemu, ["-help"]);
  const output = openSync(log, "w", 0o600);
  const card = await plug(spec.stack);
  // Not QEMU's own -daemonize: it forks, which the sandbox forbids from the first moment.
  const child = spawn(qemu, [...qemuArgs(spec, image, accelerator, port), ...runAs(spec, help)], {
    cwd: stackFolder(spec.stack),
    env: acceleratorEnv(accelerator),
    detached: true,
    stdio: ["ignore", output, output, card],
  });
  try {
    await once(child, "spawn");
    const id = identify(child.pid ?? 0);
    // It answers once all of its devices exist.
    while (child.exitCode === null && child.signalCode === null) {
      if (id && (await answersQmp(socket))) return id;
      await sleep(20);
    }
  } finally {
    card.destroy();
    closeSync(output);
    child.unref();
  }
  const reason = readFileSync(log, "utf8").trim() || howItEnded(child);
  if (reason.includes("host forwarding rule")) throw new PortTaken(reason);
  throw new Error(`QEMU did not start machine ${spec.name}: ${reason}`);
}

function howItEnded({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ? `it was ended by ${signalCode}` : `exit status ${exitCode}`;
}

async function answersQmp(socket: string): Promise<boolean> {
  try {
    await qmp(socket, ["query-status"], 5000);
    return true;
  } catch {
    return false;
  }
}

/** Shuts a machine down cleanly, because its disk is reused; stops it by force if it does not react. */
async function shutDown(stack: string, name: string): Promise<void> {
  const state = vmState(stack, name);
  await tell(stack, name, "systemctl poweroff", 5, 20);
  if (state) await gone(state.process, 30_000);
  await stopVm(stack, name);
}

function shapeOf({ cpus, memoryMiB, clock, dataDiskMiB }: VmSpec, accelerator: Accelerator): string {
  return JSON.stringify({ cpus, memoryMiB, accelerator, clock, dataDiskMiB });
}

/** Stops a machine, even without a state file: by QMP first, then by signals. Its folder stays. */
export async function stopVm(stack: string, name: string): Promise<void> {
  const processes = machineProcesses(stack, name);
  if (processes.length === 0) return;
  try {
    await qmp(join(machineFolder(stack, name), "qmp.sock"), ["quit"], 3000);
  } catch {
    // A hung QEMU reacts only to signals, and the socket is unreachable if the folder was deleted.
  }
  for (const each of processes) {
    if ((await gone(each, 5000)) || (await end(each))) continue;
    throw new Error(`machine ${name} (process ${each.pid}) does not exit; see: ps ${each.pid}`);
  }
}

/** Stops a machine and removes its folder. */
export async function removeVm(stack: string, name: string): Promise<void> {
  await stopVm(stack, name);
  await rm(machineFolder(stack, name), { recursive: true, force: true });
}
