import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostBetween, hostState, hostStateSchema } from "./host.ts";

describe("the computer's state", () => {
  let proc: string;
  const file = (name: string, text: string): void => {
    mkdirSync(join(proc, name, ".."), { recursive: true });
    writeFileSync(join(proc, name), text);
  };
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), "proc-"));
    file("stat", "cpu  100 0 50 800 40 0 5 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
    file("loadavg", "1.50 0.70 0.20 3/200 4711\n");
    file("cpuinfo", "processor\t: 0\nmodel name\t: An EPYC\nprocessor\t: 1\nmodel name\t: An EPYC\n");
    file("sys/kernel/random/boot_id", "one\n");
    file("pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n");
    for (const [pid, name] of Object.entries({ 1: "systemd", 20: "qemu-system-x86", 21: "qemu-system-x86" }))
      file(`${pid}/comm`, `${name}\n`);
  });
  afterEach(() => {
    rmSync(proc, { recursive: true });
  });

  it("should be read from this computer as from another", () => {
    expect(hostStateSchema.parse(hostState()).cpus).toBeGreaterThan(0);
    expect(hostState(proc)).toMatchObject({
      bootId: "one",
      cpu: "An EPYC",
      cpus: 2,
      load: [1.5, 0.7, 0.2],
      cpuTicks: 1000,
      idleTicks: 840,
      stealTicks: 5,
      waitedMicroseconds: 2_000_000,
      machines: 2,
    });
  });

  it("should have the used, stolen and waiting time during a run, and the other machines", () => {
    const before = hostState(proc, new Date("2026-11-29T18:00:00Z"));
    file("stat", "cpu  1000 0 50 900 40 0 5 105 0 0\n");
    file("pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=32000000\n");
    file("loadavg", "4.00 0.70 0.20 3/200 4711\n");
    rmSync(join(proc, "21"), { recursive: true });
    const after = hostState(proc, new Date("2026-11-29T18:01:00Z"));
    const between = hostBetween(before, after);
    expect(between).toMatchObject({ load: { before: 1.5, after: 4 }, machines: { before: 2, after: 1 } });
    // Of 1,100 ticks, 100 idle and 100 stolen; 30 s of a minute waited.
    expect(between.busyPercent).toBeCloseTo(90.9, 1);
    expect(between.stealPercent).toBeCloseTo(9.1, 1);
    expect(between.waitedPercent).toBeCloseTo(50, 6);
  });

  it("should have no figures if the computer was restarted meanwhile, or if the kernel does not count", () => {
    const before = hostState(proc);
    file("sys/kernel/random/boot_id", "two\n");
    expect(hostBetween(before, hostState(proc))).toMatchObject({
      busyPercent: null,
      stealPercent: null,
      waitedPercent: null,
    });
    rmSync(join(proc, "pressure"), { recursive: true });
    expect(hostState(proc).waitedMicroseconds).toBeNull();
  });

  it("should not mistake one line for another, nor a folder for a process", () => {
    file("stat", "intr cpu 7 7\ncpu   100 0 50 800 40 0 5 5 0 0\ncpu 9 9\n");
    file("cpuinfo", "x processor: 0\nbad model name: no\nprocessor\t\t: 0\nmodel name\t \t: An EPYC\n");
    file("pressure/cpu", "awesome total=7\nfull avg10=0.00 total=5\nsome avg10=0.00 total=3\n");
    for (const name of ["20x", "x20"]) file(`${name}/comm`, "qemu-system-x86\n");
    // A process that ended between the listing and the reading.
    mkdirSync(join(proc, "22"));
    expect(hostState(proc)).toMatchObject({
      cpu: "An EPYC",
      cpus: 1,
      cpuTicks: 1000,
      waitedMicroseconds: 3,
      machines: 2,
    });
    file("stat", "");
    file("cpuinfo", "");
    expect(hostState(proc)).toMatchObject({ cpu: null, cpus: 0, cpuTicks: 0, idleTicks: 0, stealTicks: 0 });
  });

  it("should have no share of a time in which nothing was counted", () => {
    const none = { busyPercent: null, stealPercent: null, waitedPercent: null };
    const before = hostState(proc, new Date("2026-11-29T18:00:00Z"));
    const later = {
      ...before,
      at: "2026-11-29T18:01:00.000Z",
      cpuTicks: 2000,
      waitedMicroseconds: 2_000_000,
    };
    expect(hostBetween(before, { ...later, cpuTicks: before.cpuTicks })).toMatchObject(none);
    expect(hostBetween(before, { ...later, bootId: "two" })).toMatchObject(none);
    expect(hostBetween(before, later)).toMatchObject({ busyPercent: 100, waitedPercent: 0 });
    for (const [from, to] of [
      [before, { ...later, waitedMicroseconds: null }],
      [{ ...before, waitedMicroseconds: null }, later],
      [before, { ...later, at: before.at }],
    ] as const)
      expect(hostBetween(from, to)).toMatchObject({ busyPercent: 100, waitedPercent: null });
  });
});

describe("node host.ts", () => {
  it("should print it", () => {
    const printed = execFileSync(process.execPath, [join(import.meta.dirname, "host.ts")], {
      encoding: "utf8",
    });
    expect(hostStateSchema.parse(JSON.parse(printed)).cpus).toBeGreaterThan(0);
  });
});
