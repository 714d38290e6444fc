import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAs } from "./confinement.ts";
import { qemuArgs, writeSeed, type VmSpec } from "./vm.ts";

const spec: VmSpec = {
  stack: "s",
  name: "node1",
  kernel: "debian-13",
  cpus: 2,
  memoryMiB: 1792,
  diskGiB: 20,
  accelerator: "auto",
  clock: "wall",
  mac: "52:54:00:77:00:0b",
  revision: 1,
  hostKey: "ssh-ed25519 AAAA",
  userData: "#cloud-config\n{}\n",
};
const image = { disk: "/c/disk.raw", kernel: "/c/vmlinuz", release: "6.12", key: "k" };

describe("qemuArgs", () => {
  const words = (accelerator: "tcg" | "kvm", change: Partial<VmSpec> = {}) =>
    qemuArgs({ ...spec, ...change }, image, accelerator, 40001).join(" ");

  it("listens on loopback and unix sockets only", () => {
    expect(words("tcg")).toContain("hostfwd=tcp:127.0.0.1:40001-:22");
    expect(words("tcg").match(/hostfwd=/g)).toHaveLength(1);
    expect(words("tcg")).toContain("-qmp unix:machines/node1/qmp.sock,server=on,wait=off");
    expect(words("tcg")).toContain("-netdev stream,id=lab,server=off,addr.type=fd,addr.str=3");
    expect(words("tcg")).not.toMatch(/-vnc|-monitor|mcast|0\.0\.0\.0/);
  });

  it("gives the guest no network through the host", () => {
    expect(words("tcg")).toContain("user,id=user,restrict=on");
  });

  it("keeps the kernel's mitigations and address randomisation on a real CPU", () => {
    expect(words("tcg")).toContain("mitigations=off no_timer_check norandmaps tsc=reliable");
    expect(words("kvm")).not.toMatch(/mitigations|norandmaps|tsc/);
  });

  it("adds a data disk with poll queues only on request", () => {
    expect(words("tcg", { dataDiskMiB: 256 })).toContain("-device nvme,drive=data,serial=data");
    expect(words("tcg", { dataDiskMiB: 256 })).toContain("nvme.poll_queues=1");
    expect(words("tcg")).not.toMatch(/data\.qcow2|poll_queues/);
  });

  it("uses one CPU to count instructions", () => {
    expect(words("tcg", { clock: "instructions" })).toMatch(/-icount shift=0\S* .*-smp 1 /);
  });

  it("cannot start other programs", () => {
    expect(words("tcg")).toContain("-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny");
  });

  it("contains no path but the image's", () => {
    expect(words("tcg").match(/ \/\S+|=\/[^,\s]+/g)).toEqual([" /c/vmlinuz", "=/dev/nvme0n1"]);
  });

  it("contains no secret", () => {
    expect(words("tcg", { userData: "canary" })).not.toContain("canary");
  });
});

describe("runAs", () => {
  const whole = "         0          0 4294967295";
  const machine = { stack: "s", name: "node1" };
  const oldHelp = "-runas user     change to user id user just before starting the VM\n";
  const newHelp = "-run-with [async-teardown=on|off][,chroot=dir][user=username|uid:gid]\n";

  it("gives each machine that root starts its own unused user id", () => {
    const [option, ids = ""] = runAs(machine, oldHelp, 0, whole);
    expect(option).toBe("-runas");
    const [user, group] = ids.split(":").map(Number);
    expect(user).toBe(group);
    expect(user).toBeGreaterThan(2_130_000_000 - 1);
    expect(user).toBeLessThan(2 ** 31);
    expect(runAs({ ...machine, name: "node2" }, oldHelp, 0, whole)[1]).not.toBe(ids);
    // QEMU 10 has removed the old option; QEMU 8.1 has -run-with, but not for this.
    expect(runAs(machine, newHelp, 0, whole)).toEqual(["-run-with", `user=${ids}`]);
    expect(runAs(machine, `-run-with [async-teardown=on|off]\n${oldHelp}`, 0, whole)[0]).toBe("-runas");
  });

  it("does not change the user id of other users, nor root's if there is no free id", () => {
    expect(runAs(machine, newHelp, 1000, whole)).toEqual([]);
    expect(runAs(machine, newHelp, 0, "         0     100000      65536\n")).toEqual([]);
  });
});

describe("the seed disk", () => {
  it.each([1, 4095, 4096, 5000])(
    "has user data of %d bytes in complete sectors, readable only by its owner",
    async (bytes) => {
      const folder = mkdtempSync(join(tmpdir(), "seed-"));
      try {
        const file = join(folder, "seed");
        const text = "#".repeat(bytes);
        await writeSeed(file, text);
        expect(statSync(file).mode & 0o777).toBe(0o600);
        expect(statSync(file).size % 4096).toBe(0);
        expect(readFileSync(file, "utf8").replace(/\0+$/, "")).toBe(text);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
