/** The checks of `./lab doctor`: each reports its result and, on a problem, advice. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { availableParallelism, userInfo } from "node:os";
import { createServer } from "node:net";
import { once } from "node:events";
import { execa } from "execa";
import { inLab, nodeFolder, checkout } from "../workshop/checkout.ts";
import { distribution, isSupported, missingPackages, packagesFor } from "./setup/debian.ts";
import { freeBytes } from "../workshop/freeBytes.ts";
import { atLeast } from "../workshop/version.ts";

/** `bad`: the lab will not work. `note`: it works with limitations, or is not tested. */
export type Verdict = "ok" | "note" | "bad";

export interface Finding {
  readonly subject: string;
  readonly verdict: Verdict;
  readonly text: string;
  /** Advice; empty if the verdict is ok. */
  readonly advice?: string;
}

/** All checks, in order of importance. */
export async function diagnose(): Promise<Finding[]> {
  return [
    system(distribution(), process.arch),
    cores(availableParallelism()),
    memory(readFileSync("/proc/meminfo", "utf8")),
    disk(freeBytes(checkout)),
    accelerator(),
    await packages(),
    await python(),
    await qemu(),
    await emulator(),
    await userNamespaces(),
    node(),
    await pulumi(),
    await loopback(),
  ];
}

export function system(here: { id: string; version: string; title: string }, arch: string): Finding {
  const subject = "system";
  if (arch !== "x64") {
    return { subject, verdict: "bad", text: `${here.title}, ${arch}`, advice: "the lab runs on x86-64 only" };
  }
  if (isSupported(here)) return { subject, verdict: "ok", text: here.title };
  const advice = "not supported; supported: Debian 12, Debian 13, Ubuntu 24.04";
  return { subject, verdict: "note", text: here.title, advice };
}

export function cores(count: number): Finding {
  const text = `${count} for this process`;
  if (count >= 2) return { subject: "cores", verdict: "ok", text };
  return { subject: "cores", verdict: "note", text, advice: "works but is slow; 2 or more are better" };
}

const gibibyte = 2 ** 30;

/** @param meminfo the text of /proc/meminfo. The default topology's machines and their QEMUs fit in 8 GiB. */
export function memory(meminfo: string): Finding {
  const kibibytes = Number(/^MemAvailable: *(\d+) kB/m.exec(meminfo)?.[1] ?? 0);
  const free = (kibibytes * 1024) / gibibyte;
  const text = `${free.toFixed(1)} GiB available`;
  if (free >= 8) return { subject: "memory", verdict: "ok", text };
  if (free >= 3) {
    return {
      subject: "memory",
      verdict: "note",
      text,
      advice: "use ./lab up -c topology=single, or free 8 GiB",
    };
  }
  return { subject: "memory", verdict: "bad", text, advice: "free at least 3 GiB" };
}

export function disk(bytes: number): Finding {
  const free = bytes / gibibyte;
  const text = `${free.toFixed(0)} GiB free in this checkout`;
  if (free >= 15) return { subject: "disk", verdict: "ok", text };
  return {
    subject: "disk",
    verdict: free >= 8 ? "note" : "bad",
    text,
    advice: "the image and its overlays need 15 GiB",
  };
}

function accelerator(): Finding {
  const subject = "accelerator";
  const emulated = "machines are emulated (TCG): everything works, but timings are meaningful only as ratios";
  if (!existsSync("/dev/kvm")) return { subject, verdict: "note", text: "no /dev/kvm", advice: emulated };
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return {
      subject,
      verdict: "ok",
      text: "/dev/kvm can be opened; up tests whether a machine boots with it",
    };
  } catch {
    const advice = `sudo usermod -aG kvm ${userInfo().username}, and log in again; without it, ${emulated}`;
    return { subject, verdict: "note", text: "you have no access to /dev/kvm", advice };
  }
}

async function packages(): Promise<Finding> {
  const subject = "Debian packages";
  const needed = packagesFor("lab", distribution().id);
  const missing = await missingPackages(needed);
  if (missing.length === 0) return { subject, verdict: "ok", text: `${needed.length} installed` };
  return {
    subject,
    verdict: "bad",
    text: `missing: ${missing.join(" ")}`,
    advice: "./lab setup installs them",
  };
}

async function python(): Promise<Finding> {
  const subject = "Python";
  const interpreter = "/usr/bin/python3";
  if (!existsSync(interpreter)) {
    return { subject, verdict: "bad", text: `no ${interpreter}`, advice: "./lab setup installs it" };
  }
  const ask = ["-c", "import platform; print(platform.python_version())"];
  const { stdout: version } = await execa(interpreter, ask);
  const fits = atLeast(version, "3.11") && !atLeast(version, "3.14");
  if (fits) return { subject, verdict: "ok", text: version };
  return { subject, verdict: "note", text: version, advice: "the pinned packages are for 3.11 to 3.13" };
}

/** QEMU's user network carries SSH; a stream network connects machines to the switch of the private network. */
async function qemu(): Promise<Finding> {
  const { stdout, failed } = await execa("qemu-system-x86_64", ["-netdev", "help"], { reject: false });
  if (failed)
    return { subject: "QEMU", verdict: "bad", text: "does not run", advice: "./lab setup installs it" };
  return qemuNetworks(stdout);
}

/** @param help the output of `-netdev help`: a heading, then one kind per line */
export function qemuNetworks(help: string): Finding {
  const kinds = help.split("\n").map((line) => line.trim());
  const missing = ["user", "stream"].filter((kind) => !kinds.includes(kind));
  if (missing.length === 0)
    return { subject: "QEMU", verdict: "ok", text: "has the networks user and stream" };
  return {
    subject: "QEMU",
    verdict: "bad",
    text: `is built without the network ${missing.join(" and ")}`,
    advice: "the local target needs QEMU 7.2 or newer with both, such as those of Debian 12 and Ubuntu 24.04",
  };
}

async function emulator(): Promise<Finding> {
  const { stdout, failed } = await execa("qemu-system-x86_64", ["--version"], { reject: false });
  return emulatorVersion(failed ? "" : stdout);
}

/**
 * Before 8.1 (QEMU's commit deba78709ae8), an emulated CPU can continue to run code that another CPU has just patched, and the
 * guest ends in "Oops: int3".
 * @param text the output of `--version`
 */
export function emulatorVersion(text: string): Finding {
  const subject = "emulator";
  const version = /version (\d+\.\d+(\.\d+)?)/.exec(text)?.[1];
  if (version === undefined) return { subject, verdict: "bad", text: "QEMU prints no version" };
  if (atLeast(version, "8.1")) return { subject, verdict: "ok", text: `QEMU ${version}` };
  const advice =
    "an emulated machine of 2 CPUs can crash while an eBPF extension is attached; QEMU 8.1 or newer " +
    "(Debian 13), KVM, or nodes with cpus: 1 avoid it";
  return { subject, verdict: "note", text: `QEMU ${version}, older than 8.1`, advice };
}

/** mmdebstrap needs user namespaces if the user is not root. */
async function userNamespaces(): Promise<Finding> {
  const subject = "user namespaces";
  if (process.getuid?.() === 0) return { subject, verdict: "ok", text: "not needed: you are root" };
  const { failed } = await execa("mmdebstrap", ["--unshare-helper", "true"], { reject: false });
  if (!failed) return { subject, verdict: "ok", text: "mmdebstrap can make one" };
  const name = userInfo().username;
  const range = "--add-subuids 100000-165535 --add-subgids 100000-165535";
  const advice = readFileSync("/etc/subuid", "utf8").includes(`${name}:`)
    ? "the kernel refuses them: sudo sysctl kernel.unprivileged_userns_clone=1, on Ubuntu " +
      "kernel.apparmor_restrict_unprivileged_userns=0; inside a chroot or container, run as root"
    : `you have no range of subordinate ids: sudo usermod ${range} ${name}`;
  return { subject, verdict: "bad", text: "mmdebstrap cannot make one", advice };
}

function node(): Finding {
  const verdict = atLeast(process.versions.node, "24") ? "ok" : "bad";
  return { subject: "Node.js", verdict, text: `${process.versions.node} in ${nodeFolder}`, advice: "npm ci" };
}

async function pulumi(): Promise<Finding> {
  const subject = "Pulumi";
  const { stdout, failed } = await execa(inLab("bin", "pulumi"), ["version"], {
    env: { PULUMI_SKIP_UPDATE_CHECK: "1" },
    reject: false,
  });
  if (!failed) return { subject, verdict: "ok", text: stdout };
  return { subject, verdict: "bad", text: "not installed", advice: "./lab setup installs it" };
}

/** Local machines are reached through ports of the loopback interface. */
async function loopback(): Promise<Finding> {
  const subject = "loopback";
  const server = createServer().listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    return { subject, verdict: "ok", text: "can listen on 127.0.0.1" };
  } catch (error) {
    const advice = "bring the loopback interface up: ip link set lo up";
    return { subject, verdict: "bad", text: (error as Error).message, advice };
  } finally {
    server.close();
  }
}
