import { cores, disk, emulatorVersion, memory, qemuNetworks, system } from "./diagnosis.ts";

const gibibyte = 2 ** 30;

describe("doctor", () => {
  it("accepts a tested system, notes an untested one, and refuses another processor", () => {
    const debian = { id: "debian", version: "13", title: "Debian 13" };
    expect(system(debian, "x64").verdict).toBe("ok");
    expect(system({ ...debian, version: "11" }, "x64").verdict).toBe("note");
    expect(system(debian, "arm64").verdict).toBe("bad");
  });

  it("gives advice if there is too little memory", () => {
    const meminfo = (gib: number): string => `MemTotal: 99 kB\nMemAvailable:   ${gib * 1024 * 1024} kB\n`;
    expect(memory(meminfo(8))).toEqual({ subject: "memory", verdict: "ok", text: "8.0 GiB available" });
    expect(memory(meminfo(4))).toMatchObject({
      verdict: "note",
      advice: "use ./lab up -c topology=single, or free 8 GiB",
    });
    expect(memory(meminfo(1))).toMatchObject({ verdict: "bad", advice: "free at least 3 GiB" });
  });

  it("reports how much disk space is needed", () => {
    expect(disk(20 * gibibyte).verdict).toBe("ok");
    expect(disk(10 * gibibyte)).toMatchObject({ verdict: "note", text: "10 GiB free in this checkout" });
    expect(disk(2 * gibibyte).verdict).toBe("bad");
  });

  it("warns about a single core", () => {
    expect(cores(1).verdict).toBe("note");
    expect(cores(2).verdict).toBe("ok");
  });

  it("recognises emulators in which patched kernel code can crash a machine", () => {
    const debian12 = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
    expect(emulatorVersion(debian12)).toMatchObject({
      verdict: "note",
      text: "QEMU 7.2.22, older than 8.1",
    });
    expect(emulatorVersion("QEMU emulator version 10.0.13 (Debian)")).toMatchObject({ verdict: "ok" });
    expect(emulatorVersion("").verdict).toBe("bad");
  });

  it("reports a QEMU without the private network's type", () => {
    const head = "Available netdev backend types:\n";
    expect(qemuNetworks(`${head}socket\nstream\nuser\nvhost-vdpa\n`).verdict).toBe("ok");
    expect(qemuNetworks(`${head}socket\nuser\n`)).toMatchObject({
      verdict: "bad",
      text: "is built without the network stream",
    });
  });
});
