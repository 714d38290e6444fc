/** The distribution's packages that the lab needs, each with the reason, and the step that installs them. */
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { Problem } from "../problem.ts";
import type { Step } from "./runner.ts";

/** Purpose of set-up: `lab` installs what `up` needs, `test` also what only tests need. */
export type Purpose = "lab" | "test";

export interface DebianPackage {
  readonly why: string;
  readonly purpose: Purpose;
  /** A service that the package's installation starts, shown to the user. */
  readonly starts?: string;
  /** Distributions (ID of os-release) that do not have it as a Debian package. */
  readonly absentOn?: readonly string[];
}

export const debianPackages = {
  "ca-certificates": { why: "TLS to the package registries", purpose: "lab" },
  "debian-archive-keyring": { why: "mmdebstrap checks Debian's signatures, on Ubuntu too", purpose: "lab" },
  e2fsprogs: { why: "mke2fs makes the image's root file system", purpose: "lab" },
  git: { why: "a run's record names the commit", purpose: "lab" },
  mmdebstrap: { why: "bakes the machines' image", purpose: "lab" },
  "openssh-client": { why: "keys, and ./lab ssh", purpose: "lab" },
  openssl: { why: "makes the stack's passwords", purpose: "lab" },
  python3: { why: "the machines' wheels are collected with its pip", purpose: "lab" },
  "python3-pip": { why: "collects the wheels with their hashes", purpose: "lab" },
  "python3-venv": { why: "keeps pip's packages inside .lab", purpose: "lab" },
  "qemu-system-x86": { why: "runs the machines", purpose: "lab" },
  "qemu-utils": { why: "qemu-img makes overlay disks", purpose: "lab" },
  uidmap: { why: "mmdebstrap without root", purpose: "lab" },
  "xz-utils": { why: "unpacks the kernel's packages", purpose: "lab" },
  zstd: { why: "compresses the image builder's results", purpose: "lab" },
  chromium: { why: "opens reports in browser tests", purpose: "test", absentOn: ["ubuntu"] },
  "openssh-server": {
    why: "the command plugin's tests talk to a real sshd on loopback",
    purpose: "test",
    starts: "sshd on port 22",
  },
  "redis-server": { why: "tests that need a real Redis", purpose: "test", starts: "Redis on 127.0.0.1:6379" },
  spin: { why: "checks the model of the FUSE extension's protocol", purpose: "test" },
  gcc: { why: "compiles spin's output for the model", purpose: "test" },
  "libc6-dev": { why: "the same", purpose: "test" },
  socat: { why: "the metadata service and S3 of an emulated EC2 machine (tests/aws/ec2)", purpose: "test" },
  gnupg: { why: "signs a test's apt repository", purpose: "test" },
  shellcheck: { why: "lint of bash scripts", purpose: "test" },
} as const satisfies Record<string, DebianPackage>;

export type DebianPackageName = keyof typeof debianPackages;

/** The distribution by os-release. */
export interface Distribution {
  readonly id: string;
  readonly version: string;
  /** Name for messages. */
  readonly title: string;
}

const supported = ["debian 12", "debian 13", "ubuntu 24.04"];

export function distribution(osRelease = readFileSync("/etc/os-release", "utf8")): Distribution {
  const value = (key: string): string => new RegExp(`^${key}="?([^"\n]*)"?$`, "m").exec(osRelease)?.[1] ?? "";
  return { id: value("ID"), version: value("VERSION_ID"), title: value("PRETTY_NAME") };
}

/** Whether it is a supported distribution. Others with apt may work; `doctor` reports that. */
export function isSupported(here: Distribution): boolean {
  return supported.includes(`${here.id} ${here.version}`);
}

/** The packages for a purpose on a distribution, in the table's order. */
export function packagesFor(purpose: Purpose, id: string): DebianPackageName[] {
  const entries = Object.entries(debianPackages) as [DebianPackageName, DebianPackage][];
  return entries
    .filter(([, entry]) => purpose === "test" || entry.purpose === "lab")
    .filter(([, entry]) => !entry.absentOn?.includes(id))
    .map(([name]) => name);
}

/** The packages that are not installed. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  const { stdout, failed, code } = await execa(
    "dpkg-query",
    ["-W", "-f", "${Package} ${db:Status-Status}\n", ...names],
    {
      reject: false,
    },
  );
  if (failed && code === "ENOENT") {
    throw new Problem(
      `this computer (${distribution().title}) has no dpkg; the lab's set-up supports ${supported.join(", ")}. ` +
        `Use one of these systems, or install the equivalents of these packages by hand: ${names.join(" ")}`,
    );
  }
  const installed = stdout.split("\n").filter((line) => line.endsWith(" installed"));
  return names.filter((name) => !installed.includes(`${name} installed`));
}

const isRoot = process.getuid?.() === 0;

/** Installs missing packages. This is the only use of sudo in the lab, and it is announced. */
export function debianStep(purpose: Purpose): Step {
  const names = packagesFor(purpose, distribution().id);
  return {
    name: "Debian packages",
    async check() {
      const missing = await missingPackages(names);
      if (missing.length === 0) return { done: true, detail: `${names.length} installed` };
      return { done: false, plan: `${isRoot ? "" : "sudo "}apt-get install ${missing.join(" ")}` };
    },
    async prepare() {
      const missing = await missingPackages(names);
      for (const name of missing as DebianPackageName[]) {
        const entry: DebianPackage = debianPackages[name];
        if (entry.starts) process.stderr.write(`note: installing ${name} starts ${entry.starts}\n`);
      }
      if (isRoot) return;
      process.stderr.write(`sudo is used for this and nothing else: apt-get install ${missing.join(" ")}\n`);
      const sudo = await execa("sudo", ["-v"], { stdio: "inherit", reject: false });
      if (sudo.failed) {
        throw new Problem(
          `sudo was refused; as root, run: apt-get install --no-install-recommends ${missing.join(" ")}`,
        );
      }
    },
    async run(progress) {
      const missing = await missingPackages(names);
      const install = ["install", "--no-install-recommends", ...missing];
      if (await haveCandidates(missing)) {
        // The index may be older than the archive, which then reports missing files.
        if ((await apt(install, progress)) === undefined) return;
      }
      const failure = (await apt(["update"], progress)) ?? (await apt(install, progress));
      if (failure !== undefined) throw new Problem(`apt-get failed:\n${failure}`);
    },
  };
}

async function haveCandidates(names: readonly string[]): Promise<boolean> {
  const { stdout } = await execa("apt-cache", ["policy", ...names], { env: { LC_ALL: "C" }, reject: false });
  return (stdout.match(/^ {2}Candidate: (?!\(none\))/gm) ?? []).length === names.length;
}

/** Runs apt-get; returns undefined on success, else the end of its output. */
async function apt(args: readonly string[], progress: (text: string) => void): Promise<string | undefined> {
  const words = [
    ...(isRoot ? [] : ["sudo", "-n"]),
    ...["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=a", "LC_ALL=C"],
    // Another apt (unattended upgrades of the first minutes) may hold the lock.
    ...["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=600", ...args],
  ];
  const child = execa(words[0] ?? "", words.slice(1), {
    stdin: "ignore",
    all: true,
    reject: false,
    buffer: true,
  });
  child.all.on("data", (chunk: Buffer) => progress(chunk.toString()));
  const result = await child;
  return result.failed ? result.all.split("\n").slice(-12).join("\n") : undefined;
}
