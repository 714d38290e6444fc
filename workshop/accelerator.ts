/**
 * Chooses KVM or emulation. Every guest may hang even if /dev/kvm exists (nested virtualisation), so the only reliable test is to
 * start the lab's own kernel with it. Without a root file system, the kernel panics and QEMU ends within a second.
 */
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { cacheFolder } from "./checkout.ts";
import type { Image } from "./image/image.ts";

export type Accelerator = "kvm" | "tcg";

const probeMs = 8000;
const device = "/dev/kvm";

/** QEMU's options for an accelerator. */
export function acceleratorArgs(accelerator: Accelerator, clock: "wall" | "instructions" = "wall"): string[] {
  if (accelerator === "kvm") return ["-accel", "kvm", "-cpu", "host"];
  // Nehalem: on an emulated machine a wide-vector CPU only makes the C library choose code that is slow to emulate.
  if (clock === "instructions") {
    return ["-accel", "tcg,thread=single", "-cpu", "Nehalem-v1", "-icount", "shift=0,align=off,sleep=off"];
  }
  return ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem-v1"];
}

/**
 * Environment of QEMU. While it emulates, it looks up translated code in tables of many MB at each change of process in the guest.
 * In huge pages, that costs less (docs/records/emulated-programs.md).
 */
export function acceleratorEnv(accelerator: Accelerator): NodeJS.ProcessEnv {
  if (accelerator === "kvm") return process.env;
  const own = process.env.GLIBC_TUNABLES;
  return { ...process.env, GLIBC_TUNABLES: `${own ? `${own}:` : ""}glibc.malloc.hugetlb=1` };
}

/** The accelerator that boots a guest on this computer. Tested once for each image, host boot and host kernel. */
export async function chooseAccelerator(image: Image, say: (line: string) => void): Promise<Accelerator> {
  const file = join(cacheFolder, "accelerator.json");
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const key = [image.key, release(), bootId].join(" ");
  try {
    const saved = JSON.parse(readFileSync(file, "utf8")) as { key: string; accelerator: Accelerator };
    if (saved.key === key) return saved.accelerator;
  } catch {
    // No verdict yet, or an unreadable one: probe.
  }
  const reason = usable() ?? (await probe(image));
  const accelerator = reason === undefined ? "kvm" : "tcg";
  say(reason === undefined ? "machines use KVM" : `machines are emulated (TCG): ${reason}`);
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(file, JSON.stringify({ key, accelerator }));
  return accelerator;
}

function usable(): string | undefined {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT"
      ? `there is no ${device}`
      : `${device} cannot be opened (${String(code)}); add yourself to its group`;
  }
}

/** Undefined if a guest boots under KVM, else the reason. */
async function probe(image: Image): Promise<string | undefined> {
  const result = await execa(
    "qemu-system-x86_64",
    [
      ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"],
      ...acceleratorArgs("kvm"),
      ...["-kernel", image.kernel, "-append", "console=ttyS0 panic=-1", "-serial", "stdio"],
    ],
    { reject: false, timeout: probeMs, forceKillAfterDelay: 500, stdin: "ignore" },
  );
  if (result.stdout.includes("Kernel panic")) return undefined;
  if (result.timedOut) return `a guest under KVM hung for ${probeMs / 1000} s`;
  return `QEMU with KVM failed: ${result.stderr.split("\n")[0] ?? ""}`;
}
