/**
 * One QEMU machine: started, found again, stopped. It outlives the program that starts it. Its folder holds the overlay
 * disk, the seed disk, the QMP socket, the console log and state.json, which says how to find the process.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { acceleratorArgs, chooseAccelerator, type Accelerator } from "./accelerator.ts";
import { freePort } from "./freePort.ts";
import { ensureImage, type Image } from "./image.ts";
import { networkRevision, privateNetdev } from "./network.ts";
import { loginKeyFile, machineFolder, sshConfigFile, stackFolder } from "./paths.ts";
import { end, gone, identify, isAlive, type ProcessId } from "./process.ts";
import { qmp } from "./qmp.ts";
import { readState, writeState } from "./state.ts";

export interface VmSpec {
  readonly stack: string;
  readonly name: string;
  readonly kernel: LocalKernel;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Size of the root disk in GiB. */
  readonly diskGiB: number;
  readonly accelerator: "auto" | Accelerator;
  /** `instructions`: time passes with guest instructions (QEMU's -icount), one CPU, emulation only. */
  readonly clock: "wall" | "instructions";
  /** Hardware address of the card on the private network. */
  readonly mac: string;
  /** Number of the start that is wanted: see `vmRevision`. */
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
  /** What of the specification needs a restart when it changes. */
  readonly shape: string;
  /** The start of the private network's switch that it is plugged into. */
  readonly network: number;
}

const stateFile = (stack: string, name: string): string => join(machineFolder(stack, name), "state.json");

export function vmState(stack: string, name: string): VmState | undefined {
  return readState(stateFile(stack, name)) as VmState | undefined;
}

export function isRunning(state: VmState | undefined): state is VmState {
  return state !== undefined && isAlive(state.process);
}

/**
 * The number of the start that a machine has, or will need when it has died since, or when its network has: a card does
 * not find a new switch. The program puts it in the resource's inputs, so that a machine that was killed, or went with a
 * reboot of the host, shows as an update, and comes back with its disk. One that was rebooted is as if started again.
 */
export function vmRevision(stack: string, name: string, rebooted = false): number {
  const state = vmState(stack, name);
  if (!state) return 1;
  const good = isAlive(state.process) && state.network === networkRevision(stack) && !rebooted;
  return good ? state.revision : state.revision + 1;
}

/**
 * Whether the machine's guest was rebooted since `up` was last at work on it: QEMU lives on then, but the mark that the
 * machine's first step has left (provisioning/node/ready.sh) is gone. Undefined when the machine does not say.
 */
export async function wasRebooted(stack: string, name: string): Promise<boolean | undefined> {
  const state = vmState(stack, name);
  if (!isRunning(state)) return false;
  const { exitCode, stdout } = await tell(stack, name, "cat /run/disgrafs/boot 2>/dev/null || true", 30, 60);
  return exitCode === 0 ? stdout.trim() !== state.boot : undefined;
}

/** Runs one command on a machine that may not answer: does not throw. Seconds for the connection, and for all of it. */
function tell(stack: string, name: string, command: string, connect: number, limit: number) {
  const ssh = [
    "-F",
    sshConfigFile(stack, name),
    "-o",
    "BatchMode=yes",
    "-o",
    `ConnectTimeout=${connect}`,
    name,
  ];
  return execa("ssh", [...ssh, command], { reject: false, timeout: limit * 1000, stdin: "ignore" });
}

/** Starts a machine unless that start has been made already. */
export async function startVm(spec: VmSpec, say: (line: string) => void): Promise<VmState> {
  const { stack, name } = spec;
  const before = vmState(stack, name);
  if (isRunning(before)) {
    // The accelerator that it has is what "auto" chose, or what was asked for: the same one is no reason to restart.
    const accelerator = spec.accelerator === "auto" ? before.accelerator : spec.accelerator;
    const asWanted = before.shape === shapeOf(spec, accelerator);
    if (asWanted && before.revision >= spec.revision) return before;
    if (asWanted && before.network === networkRevision(stack)) {
      // It rebooted by itself: nothing is to be done but to know.
      const state = { ...before, revision: spec.revision, boot: randomUUID() };
      writeState(stateFile(stack, name), state);
      return state;
    }
    await shutDown(stack, name);
  }
  const image = await ensureImage(spec.kernel, say);
  const accelerator = spec.accelerator === "auto" ? await chooseAccelerator(image, say) : spec.accelerator;
  const folder = machineFolder(stack, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const id = before && existsSync(join(folder, "root.qcow2")) ? before.id : randomUUID();
  if (id !== before?.id) await makeDisks(spec, image, folder);
  await rm(join(folder, "qmp.sock"), { force: true });
  const network = networkRevision(stack);

  for (let tries = 0; ; tries++) {
    // The port of the last time, if it is still free, so that what people have written down keeps working.
    const port = tries === 0 && before ? before.port : await freePort();
    try {
      const pid = await launch(spec, image, accelerator, port);
      const process = identify(pid);
      if (!process) throw new Error(`QEMU for ${name} ended at once; see ${join(folder, "qemu.log")}`);
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
      await writeSshConfig(spec, port);
      return state;
    } catch (error) {
      if (!(error instanceof PortTaken) || tries >= 5) throw error;
      say(`port ${port} is taken by another program; trying another one for ${name}`);
    }
  }
}

async function makeDisks(spec: VmSpec, image: Image, folder: string): Promise<void> {
  const root = join(folder, "root.qcow2");
  await rm(root, { force: true });
  await execa("qemu-img", [
    ...["create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "raw", "-o", "lazy_refcounts=on"],
    ...[root, `${spec.diskGiB}G`],
  ]);
  // A disk's size is a multiple of its sectors; the reader drops the padding.
  const text = Buffer.from(spec.userData);
  const padded = Buffer.concat([text, Buffer.alloc(4096 - (text.length % 4096))]);
  await writeFile(join(folder, "seed"), padded, { mode: 0o600 });
}

/** What `ssh -F` needs to reach the machine by name: for people, and for ./lab ssh. */
async function writeSshConfig(spec: VmSpec, port: number): Promise<void> {
  const folder = machineFolder(spec.stack, spec.name);
  const hosts = join(folder, "known_hosts");
  await writeFile(hosts, `[127.0.0.1]:${port} ${spec.hostKey}\n`);
  const lines = [
    `Host ${spec.name}`,
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    "  User root",
    `  IdentityFile "${loginKeyFile(spec.stack)}"`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile "${hosts}"`,
    "  StrictHostKeyChecking yes",
    "",
  ];
  await writeFile(sshConfigFile(spec.stack, spec.name), lines.join("\n"));
}

/** QEMU's command line. Paths are relative to the stack's folder, in which it starts. */
export function qemuArgs(
  spec: VmSpec,
  image: Image,
  accelerator: Accelerator,
  port: number,
  privateNet: string,
): string[] {
  const here = `machines/${spec.name}`;
  const kernelLine = [
    ...["root=/dev/nvme0n1", "rw", "rootflags=noinit_itable", "console=ttyS0", "quiet", "panic=-1"],
    ...["net.ifnames=0", "nowatchdog", "systemd.show_status=0"],
    // Emulated CPUs have nothing to mitigate; on KVM the kernel's defaults stay, as they are part of what is measured.
    // norandmaps: QEMU translates a program's code for the addresses that it runs at, so at new ones it does so anew each
    // time a program starts, which was half of what a small program took (docs/performance.md).
    ...(accelerator === "tcg" ? ["mitigations=off", "no_timer_check", "norandmaps"] : []),
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
    ...["-netdev", `user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...["-device", "virtio-net-pci,netdev=user,mac=52:54:00:00:00:01,romfile="],
    ...["-netdev", `${privateNet},id=lab`],
    ...["-device", `virtio-net-pci,netdev=lab,mac=${spec.mac},romfile=`],
    ...["-device", "virtio-rng-pci"],
    ...["-chardev", `file,id=console,path=${here}/console.log,append=on`, "-serial", "chardev:console"],
    ...[
      "-qmp",
      `unix:${here}/qmp.sock,server=on,wait=off`,
      "-pidfile",
      `${here}/pid`,
      "-D",
      `${here}/qemu.log`,
    ],
    "-daemonize",
  ];
}

class PortTaken extends Error {}

async function launch(spec: VmSpec, image: Image, accelerator: Accelerator, port: number): Promise<number> {
  const folder = machineFolder(spec.stack, spec.name);
  const privateNet = await privateNetdev(spec.stack);
  const log = join(folder, "qemu.log");
  await rm(log, { force: true });
  const { exitCode, stderr } = await execa(
    "qemu-system-x86_64",
    qemuArgs(spec, image, accelerator, port, privateNet),
    {
      cwd: stackFolder(spec.stack),
      stdin: "ignore",
      reject: false,
    },
  );
  if (exitCode !== 0) {
    // As a daemon QEMU complains to its log.
    const reason = `${stderr}\n${existsSync(log) ? readFileSync(log, "utf8") : ""}`.trim();
    if (reason.includes("host forwarding rule")) throw new PortTaken(reason);
    throw new Error(`QEMU did not start machine ${spec.name}: ${reason}`);
  }
  return Number(readFileSync(join(folder, "pid"), "utf8"));
}

/** Ends a machine so that its file systems are whole, as its disk is used again; stops it when it does not listen. */
async function shutDown(stack: string, name: string): Promise<void> {
  const state = vmState(stack, name);
  await tell(stack, name, "systemctl poweroff", 5, 20);
  if (state) await gone(state.process, 30_000);
  await stopVm(stack, name);
}

function shapeOf({ cpus, memoryMiB, clock }: VmSpec, accelerator: Accelerator): string {
  return JSON.stringify({ cpus, memoryMiB, accelerator, clock });
}

/** Stops a machine: QMP first, then signals. Its folder stays. */
export async function stopVm(stack: string, name: string): Promise<void> {
  const state = vmState(stack, name);
  if (!isRunning(state)) return;
  try {
    await qmp(join(machineFolder(stack, name), "qmp.sock"), ["quit"], 3000);
    if (await gone(state.process, 5000)) return;
  } catch {
    // A hung QEMU answers to nothing but signals.
  }
  if (!(await end(state.process))) throw new Error(`machine ${name} (pid ${state.process.pid}) does not end`);
}

/** Stops a machine and removes all that it had. */
export async function removeVm(stack: string, name: string): Promise<void> {
  await stopVm(stack, name);
  await rm(machineFolder(stack, name), { recursive: true, force: true });
}
