/**
 * A local VM for a test, without Pulumi: started with the same code as the lab's machines, accessed by ssh, and removed completely
 * at the end of the test.
 */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { cloudInit } from "../../provisioning/cloudInit.ts";
import type { LocalKernel } from "../../provisioning/kernels.ts";
import { quote } from "../../provisioning/shell.ts";
import { ensureKeyPair } from "../../workshop/keyPair.ts";
import { clockFiles } from "../../stacks/local/clockFiles.ts";
import { startNetwork, stopNetwork } from "../../stacks/local/network.ts";
import { loginKeyFile, machineFolder, sshConfigFile, stackFolder } from "../../stacks/local/paths.ts";
import { sweep, type Leftover } from "../../stacks/local/sweep.ts";
import { removeVm, startVm, type VmSpec } from "../../stacks/local/vm.ts";

export interface TestVmOptions {
  /** Part of the stack's name, visible in the process list. */
  readonly name: string;
  readonly kernel?: LocalKernel;
  readonly cpus?: number;
  readonly memoryMiB?: number;
  /** `instructions`: QEMU's -icount. */
  readonly clock?: VmSpec["clock"];
  /** Size of a second, blank NVMe disk, with poll queues. */
  readonly dataDiskMiB?: number;
}

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface TestVm {
  /** Runs a bash script, from standard input, as root, for at most 5 minutes; does not throw if it fails. */
  run(script: string, timeoutSeconds?: number): Promise<Result>;
  /** Runs a bash script as root; throws with the end of its output if it fails. */
  check(script: string, timeoutSeconds?: number): Promise<string>;
  /** Copies a file or folder to a folder of the machine. */
  push(localPath: string, remoteFolder: string): Promise<void>;
  /** Copies a file or folder from the machine. */
  pull(remotePath: string, localPath: string): Promise<void>;
  /** The end of the kernel's output on the serial line, which shows a crash. */
  console(): string;
  /** Restarts the guest and waits until it answers again. */
  reboot(): Promise<void>;
  /** The same without a shutdown, as after a power cut: what is not on the disk is lost. */
  reset(): Promise<void>;
  /** Runs a command that restarts the guest, and waits until it answers again. */
  restart(command: string): Promise<void>;
  /** Stops and removes the machine; returns what is left, which should be nothing. */
  stop(): Promise<Leftover[]>;
  readonly stack: string;
}

/** Time limit in milliseconds for a boot, which takes 10 s on an idle host. */
const bootLimit = 600_000;

let count = 0;

/** The command line that logs in to a machine. */
export const loginTo = (vm: TestVm): string => `ssh -F ${quote(sshConfigFile(vm.stack, "vm"))} vm`;

/** Starts a VM and waits until it answers. */
export async function startTestVm(options: TestVmOptions): Promise<TestVm> {
  const stack = `test-${options.name}-${process.pid}-${++count}`;
  const name = "vm";
  await startNetwork(stack);
  const [login, hostKey] = await Promise.all([
    ensureKeyPair(loginKeyFile(stack)),
    ensureKeyPair(`${machineFolder(stack, name)}-host_key`),
  ]);
  const mac = "52:54:00:77:00:0a";
  const spec: VmSpec = {
    stack,
    name,
    kernel: options.kernel ?? "debian-13",
    cpus: options.cpus ?? 2,
    memoryMiB: options.memoryMiB ?? 1024,
    diskGiB: 20,
    accelerator: "auto",
    clock: options.clock ?? "wall",
    ...(options.dataDiskMiB === undefined ? {} : { dataDiskMiB: options.dataDiskMiB }),
    mac,
    revision: 1,
    hostKey: hostKey.publicKey,
    userData: cloudInit({
      hostname: name,
      login: { user: "root", authorizedKeys: [login.publicKey] },
      hostKey,
      network: { mac, address: "10.77.0.10/24" },
      files: clockFiles(options.clock ?? "wall"),
    }),
  };
  const vm = new Vm(stack, name);
  try {
    await startVm(spec, (line) => process.stderr.write(`${line}\n`));
    await vm.answers();
  } catch (error) {
    await vm.stop();
    throw error;
  }
  return vm;
}

class Vm implements TestVm {
  readonly stack: string;
  readonly name: string;

  constructor(stack: string, name: string) {
    this.stack = stack;
    this.name = name;
  }

  console(): string {
    return readFileSync(`${machineFolder(this.stack, this.name)}/console.log`, "utf8").slice(-8000);
  }

  async run(script: string, timeoutSeconds = 300, connectSeconds = 60): Promise<Result> {
    const result = await execa(
      "ssh",
      [...this.#options(connectSeconds), this.name, `timeout -k 5 ${timeoutSeconds} bash -s`],
      {
        input: `run() {\n${script}\n}\nrun </dev/null\n`,
        reject: false,
        timeout: (timeoutSeconds + 30) * 1000,
      },
    );
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? 255 };
  }

  async check(script: string, timeoutSeconds?: number): Promise<string> {
    const { stdout, stderr, exitCode } = await this.run(`set -euo pipefail\n${script}`, timeoutSeconds);
    if (exitCode === 0) return stdout;
    const end = (text: string): string => text.slice(-2000);
    throw new Error(
      `exit status ${exitCode}\nscript: ${script.slice(0, 500)}\nstdout: ${end(stdout)}\nstderr: ${end(stderr)}`,
    );
  }

  async push(localPath: string, remoteFolder: string): Promise<void> {
    await this.check(`mkdir -p '${remoteFolder}'`);
    await execa("scp", ["-rq", ...this.#options(), localPath, `${this.name}:${remoteFolder}/`]);
  }

  async pull(remotePath: string, localPath: string): Promise<void> {
    await execa("scp", ["-rq", ...this.#options(), `${this.name}:${remotePath}`, localPath]);
  }

  async reboot(): Promise<void> {
    await this.restart("systemctl reboot");
  }

  async reset(): Promise<void> {
    await this.restart("echo b >/proc/sysrq-trigger");
  }

  async restart(command: string): Promise<void> {
    const before = await this.check("cat /proc/sys/kernel/random/boot_id");
    // Not as the session's own: a machine that ends without a shutdown does not close it, and ssh would wait for its time limit.
    await this.run(`{ sleep 0.2; ${command}; } </dev/null >/dev/null 2>&1 &`, 20, 5);
    const deadline = Date.now() + bootLimit;
    while (Date.now() < deadline) {
      const { stdout, exitCode } = await this.run("cat /proc/sys/kernel/random/boot_id", 10, 5);
      if (exitCode === 0 && stdout !== before) return;
      await sleep(500);
    }
    throw new Error(`the VM of ${this.stack} did not come back in ${bootLimit / 1000} s`);
  }

  async answers(): Promise<void> {
    const deadline = Date.now() + bootLimit;
    while ((await this.run("true", 10, 5)).exitCode !== 0) {
      if (Date.now() > deadline)
        throw new Error(`the VM of ${this.stack} did not answer in ${bootLimit / 1000} s`);
      await sleep(300);
    }
  }

  async stop(): Promise<Leftover[]> {
    await removeVm(this.stack, this.name);
    await stopNetwork(this.stack);
    const keys = [loginKeyFile(this.stack), `${machineFolder(this.stack, this.name)}-host_key`];
    await Promise.all(keys.flatMap((file) => [file, `${file}.pub`]).map((file) => rm(file, { force: true })));
    const left = await sweep(this.stack);
    await rm(stackFolder(this.stack), { recursive: true, force: true });
    return left;
  }

  /** On a busy computer, it can take seconds until a machine's sshd answers. Who asks again soon waits for less time. */
  #options(connectSeconds = 60): string[] {
    const options = ["BatchMode=yes", `ConnectTimeout=${connectSeconds}`];
    return ["-F", sshConfigFile(this.stack, this.name), ...options.flatMap((option) => ["-o", option])];
  }
}
