/** Failures of local machines: killed, port in use, pid files of another boot, started twice; and early logins. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";
import { setClocks } from "../../cli/clocks.ts";
import { diskErrors } from "./diskErrors.ts";
import { logInEarly } from "./earlyLogins.ts";
import { startNetwork, stopNetwork, networkRevision } from "./network.ts";
import { loginKeyFile, machineFolder, stackFolder } from "./paths.ts";
import { identify, isAlive, type ProcessId } from "../../workshop/process.ts";
import { qmp } from "./qmp.ts";
import { sweep } from "./sweep.ts";
import { removeVm, runningVm, startVm, vmRevision, vmState, wasRebooted, type VmSpec } from "./vm.ts";

// A name with all characters that Pulumi allows, in a folder with a long path for unix sockets.
const stack = `test.VM_odd-name.${"x".repeat(60)}-${process.pid}`;
const spec = (change: Partial<VmSpec> = {}): VmSpec => ({
  stack,
  name: "vm",
  kernel: "debian-13",
  cpus: 1,
  memoryMiB: 512,
  diskGiB: 20,
  accelerator: "auto",
  clock: "wall",
  mac: "52:54:00:77:00:0a",
  revision: 1,
  hostKey: "ssh-ed25519 AAAA",
  userData: "#cloud-config\n{}\n",
  ...change,
});
const said: string[] = [];
const say = (line: string): void => void said.push(line);

/** The kernel may hold a killed process's port for a moment longer than its pid. */
async function listenOn(port: number): Promise<Server> {
  for (;;) {
    const server = createServer();
    const listens = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (listens) return server;
    await sleep(50);
  }
}

describe("a local machine", () => {
  beforeAll(async () => {
    await startNetwork(stack, 1);
  });
  afterAll(async () => {
    await removeVm(stack, "vm");
    await stopNetwork(stack);
    await rm(stackFolder(stack), { recursive: true, force: true });
  });

  it("is started once, even if it is requested twice", async () => {
    const first = await startVm(spec(), say);
    expect(runningVm(stack, "vm")).toEqual(first);
    expect(await startVm(spec(), say)).toEqual(first);
    expect(await vmRevision(stack, "vm")).toBe(1);
    const socket = join(machineFolder(stack, "vm"), "qmp.sock");
    expect(await qmp(socket, ["query-status"], 5000)).toMatchObject([{ running: true }]);
    expect(await diskErrors(stack, "vm")).toBe(0);
  }, 1_200_000);

  it("keeps its process after it reboots by itself, and has a new boot id", async () => {
    const before = vmState(stack, "vm")!;
    const revision = await vmRevision(stack, "vm", true);
    expect(revision).toBe(2);
    const after = await startVm(spec({ revision }), say);
    expect(after).toEqual({ ...before, revision, boot: after.boot });
    expect(after.boot).not.toBe(before.boot);
  }, 60_000);

  it("starts again with its disk after it was killed", async () => {
    const before = vmState(stack, "vm")!;
    process.kill(before.process.pid, "SIGKILL");
    while (isAlive(before.process)) await sleep(20);
    const revision = await vmRevision(stack, "vm");
    expect(revision).toBe(3);
    const after = await startVm(spec({ revision }), say);
    expect(after).toMatchObject({ id: before.id, revision: 3, port: before.port });
    expect(after.boot).not.toBe(before.boot);
  }, 300_000);

  it("gets another port if its port is in use", async () => {
    const before = vmState(stack, "vm")!;
    process.kill(before.process.pid, "SIGKILL");
    while (isAlive(before.process)) await sleep(20);
    const thief = await listenOn(before.port);
    try {
      const after = await startVm(spec(), say);
      expect(after.port).not.toBe(before.port);
      expect(said).toContain(`port ${before.port} is in use by another program; trying another one for vm`);
    } finally {
      thief.close();
    }
  }, 300_000);

  it("is not mistaken for another process with its pid after a reboot", async () => {
    const file = join(machineFolder(stack, "vm"), "state.json");
    const before = vmState(stack, "vm")!;
    process.kill(before.process.pid, "SIGKILL");
    while (isAlive(before.process)) await sleep(20);
    const me = identify(process.pid)!;
    const stale = { ...before, process: { ...me, bootId: "0f0f0f0f-of-another-boot" } };
    writeFileSync(file, JSON.stringify(stale));
    expect(runningVm(stack, "vm")).toBeUndefined();
    const after = await startVm(spec(), say);
    expect(after.process.pid).not.toBe(process.pid);
    expect(after.id).toBe(before.id);
  }, 300_000);

  it("is connected again after its network was restarted", async () => {
    const before = await vmRevision(stack, "vm");
    const network = JSON.parse(readFileSync(join(stackFolder(stack), "network", "state.json"), "utf8")) as {
      process: ProcessId;
    };
    process.kill(network.process.pid, "SIGKILL");
    while (isAlive(network.process)) await sleep(20);
    expect(await networkRevision(stack)).toBe(2);
    const revision = await vmRevision(stack, "vm");
    expect(revision).toBe(before + 1);
    await startNetwork(stack);
    const after = await startVm(spec({ revision }), say);
    expect(after.network).toBe(2);
  }, 300_000);

  it("is found by the sweep as long as it exists, and not after", async () => {
    const kinds = (await sweep(stack)).map(({ kind, what }) => `${kind} ${what.split(/[ /]/).at(0) ?? ""}`);
    expect(kinds.filter((kind) => kind.startsWith("process"))).toHaveLength(2);
    await removeVm(stack, "vm");
    await stopNetwork(stack);
    expect(await sweep(stack)).toEqual([]);
  }, 300_000);
});

describe("an early login", () => {
  let vm: TestVm;
  beforeAll(async () => {
    vm = await startTestVm({ name: "early", cpus: 1, memoryMiB: 512 });
  }, 1_200_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 300_000);

  const socket = (): string => join(machineFolder(vm.stack, "vm"), "ssh.sock");
  const until = async (exists: boolean): Promise<void> => {
    while (existsSync(socket()) !== exists) await sleep(50);
  };
  it("is used to ask whether the machine was rebooted, and ends when it is closed", async () => {
    await vm.check(`mkdir -p /run/disgrafs; echo ${vmState(vm.stack, "vm")!.boot} >/run/disgrafs/boot`);
    const [login] = await logInEarly(vm.stack);
    expect(await login!.ask("echo here")).toBe("here");
    await until(true);
    // Without the key there is no other login.
    const key = loginKeyFile(vm.stack);
    renameSync(key, `${key}.away`);
    try {
      expect(await wasRebooted(vm.stack, "vm")).toBe(false);
      expect(await login!.ask("echo another >/run/disgrafs/boot; echo written")).toBe("written");
      expect(await wasRebooted(vm.stack, "vm")).toBe(true);
      login!.end();
      await until(false);
      expect(await login!.ask("echo here")).toBeUndefined();
      expect(await wasRebooted(vm.stack, "vm")).toBeUndefined();
    } finally {
      renameSync(`${key}.away`, key);
    }
    expect(await wasRebooted(vm.stack, "vm")).toBe(true);
  }, 300_000);

  it("sets a clock that stood still, and leaves one that is right", async () => {
    const clockSays = async (): Promise<string[]> => {
      const lines: string[] = [];
      const logins = await logInEarly(vm.stack);
      await setClocks(logins, (line) => lines.push(line));
      for (const login of logins) login.end();
      await until(false);
      return lines;
    };
    expect(await clockSays()).toEqual([]);
    // Half an hour during which QEMU was stopped.
    await vm.check("date -s @$(($(date +%s) - 1800))");
    expect(await clockSays()).toEqual([
      expect.stringMatching(/^vm: its clock was (179\d|180\d) s behind this computer's; set it$/),
    ]);
    expect(Math.abs(Number(await vm.check("date +%s")) - Date.now() / 1000)).toBeLessThan(60);
    expect(await clockSays()).toEqual([]);
  }, 300_000);

  it("is found again after the machine booted once more because its kernel measured a wrong clock", async () => {
    const bootId = "cat /proc/sys/kernel/random/boot_id";
    const check = "/usr/local/lib/disgrafs/check-clock";
    const before = await vm.check(`${check}; ${bootId}`);
    // What the kernel says then.
    const said = "tsc: PIT calibration deviates from HPET: 533348 2596229";
    await vm.restart(`echo "${said}" >/dev/kmsg; ${check}`);
    const after = await vm.check(bootId);
    expect(after).not.toBe(before);
    expect(vm.console()).toContain("the kernel measured a wrong rate of the clock; booting again");
    // Not for ever: then the machine says so and goes on.
    expect(
      await vm.check(`echo "${said}" >/dev/kmsg; echo 5 >/var/lib/disgrafs/wrong-clock; ${check}; ${bootId}`),
    ).toBe(`${await vm.check(`dmesg | grep deviates`)}\n${after}`);
    expect(vm.console()).toContain("clock runs at a wrong rate, also after 5 boots");
  }, 300_000);

  it("ends with a killed process", async () => {
    const code = `import { logInEarly } from ${JSON.stringify(join(import.meta.dirname, "earlyLogins.ts"))}; await logInEarly(${JSON.stringify(vm.stack)});`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "inherit" });
    await until(true);
    child.kill("SIGKILL");
    await until(false);
  }, 120_000);
});
