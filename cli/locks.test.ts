import { spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { heldBy, isStale, removeStaleLocks, stackLocks, type Lock } from "./locks.ts";

let state: string;
let locks: string;

beforeEach(() => {
  // Pulumi's layout, in a folder whose name must be escaped in a URL.
  state = mkdtempSync(join(tmpdir(), "lab locks 100% "));
  locks = join(state, ".pulumi", "locks", "organization", "project", "local");
  mkdirSync(locks, { recursive: true });
});
afterEach(() => rmSync(state, { recursive: true }));

function lock(name: string, content: Partial<Omit<Lock, "file">>): string {
  const file = join(locks, `${name}.json`);
  const timestamp = new Date().toISOString();
  writeFileSync(file, JSON.stringify({ pid: 1, username: "u", hostname: hostname(), timestamp, ...content }));
  writeFileSync(`${file}.attrs`, "{}");
  return file;
}

/** The pid of a process that has just ended. */
function endedProcess(): number {
  return spawnSync("true").pid;
}

describe("isStale", () => {
  const of = (content: Partial<Lock>): boolean => {
    lock("x", content);
    const [found] = stackLocks(`file://${state}`, "project", "local");
    return isStale(found!);
  };

  it("is false while the process runs", async () => {
    const child = spawn("sleep", ["60"]);
    await new Promise((resolve) => child.once("spawn", resolve));
    expect(of({ pid: child.pid! })).toBe(false);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    expect(of({ pid: child.pid! })).toBe(true);
  });

  it("is true for a process that has ended", () => {
    expect(of({ pid: endedProcess() })).toBe(true);
  });

  it("is true if the pid belongs to a younger process, as after a reboot", () => {
    expect(of({ pid: process.pid, timestamp: "2020-01-01T00:00:00Z" })).toBe(true);
  });

  it("is false for a running Pulumi, even if the clock was set forward since it created the lock", async () => {
    const program = join(state, "pulumi");
    copyFileSync("/usr/bin/sleep", program);
    chmodSync(program, 0o755);
    const child = spawn(program, ["60"]);
    await new Promise((resolve) => child.once("spawn", resolve));
    expect(of({ pid: child.pid!, timestamp: "2020-01-01T00:00:00Z" })).toBe(false);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    expect(of({ pid: child.pid!, timestamp: "2020-01-01T00:00:00Z" })).toBe(true);
  });

  it("is false for another machine's process, about which nothing is known here", () => {
    expect(of({ pid: endedProcess(), hostname: "elsewhere" })).toBe(false);
  });
});

describe("a lock that does not say whose it is", () => {
  it.each([
    ["x.json", ""],
    ["x.json", "{"],
    ["x.json", "{}"],
    ["x.json", "null"],
    // A full disk leaves such a file of a lock.
    ["x.json.18ecedc2d2d0ac00.tmp", ""],
  ])("is not an error (%s: %j): it is removed if no Pulumi runs here", async (name, text) => {
    const file = join(locks, name);
    writeFileSync(file, text);
    const program = join(state, "pulumi");
    copyFileSync("/usr/bin/sleep", program);
    const child = spawn(program, ["60"]);
    await new Promise((resolve) => child.once("spawn", resolve));
    const [found] = stackLocks(`file://${state}`, "project", "local");
    expect(isStale(found!)).toBe(false);
    expect(heldBy(found!, "local")).toContain(`${file} is empty or broken`);
    expect(heldBy(found!, "local")).toContain("pulumi cancel --yes --stack local");
    child.kill("SIGKILL");
  });
});

describe("heldBy", () => {
  it("gives advice for a lock of another computer, or of this one under an earlier name", () => {
    lock("foreign", { pid: 5, hostname: "elsewhere" });
    const [found] = stackLocks(`file://${state}`, "project", "local");
    const text = heldBy(found!, "local");
    expect(text).toContain("process 5 on elsewhere");
    expect(text).toContain(`this computer is ${hostname()}`);
    expect(text).toContain('eval "$(./lab env)"; pulumi cancel --yes --stack local');
  });
});

describe("removeStaleLocks", () => {
  it("removes only the stale ones of this stack", () => {
    const dead = lock("dead", { pid: endedProcess() });
    const alive = lock("alive", { pid: process.pid });
    const foreign = lock("foreign", { pid: endedProcess(), hostname: "elsewhere" });
    const removed = removeStaleLocks(`file://${state}`, "project", "local");
    expect(removed.map((each) => each.file)).toEqual([dead]);
    expect([dead, `${dead}.attrs`, alive, foreign].map((file) => existsSync(file))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(removeStaleLocks(`file://${state}`, "project", "other")).toEqual([]);
  });

  it("does nothing for a backend that is not a local folder", () => {
    expect(removeStaleLocks("s3://bucket", "project", "local")).toEqual([]);
    expect(removeStaleLocks("", "project", "local")).toEqual([]);
  });
});
