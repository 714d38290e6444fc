import { qemuArgs, type VmSpec } from "./vm.ts";

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
    qemuArgs({ ...spec, ...change }, image, accelerator, 40001, "vde,sock=/s").join(" ");

  it("listens on loopback and unix sockets only", () => {
    expect(words("tcg")).toContain("hostfwd=tcp:127.0.0.1:40001-:22");
    expect(words("tcg").match(/hostfwd=/g)).toHaveLength(1);
    expect(words("tcg")).toContain("-qmp unix:machines/node1/qmp.sock,server=on,wait=off");
    expect(words("tcg")).not.toMatch(/-vnc|-monitor|0\.0\.0\.0/);
  });

  it("lets the guest reach nothing through the host", () => {
    expect(words("tcg")).toContain("user,id=user,restrict=on");
  });

  it("keeps the kernel's mitigations and random addresses where the CPU is real", () => {
    expect(words("tcg")).toContain("mitigations=off no_timer_check norandmaps");
    expect(words("kvm")).not.toMatch(/mitigations|norandmaps/);
  });

  it("counts instructions with one CPU", () => {
    expect(words("tcg", { clock: "instructions" })).toMatch(/-icount shift=0\S* .*-smp 1 /);
  });

  it("holds nothing secret", () => {
    expect(words("tcg", { userData: "canary" })).not.toContain("canary");
  });
});
