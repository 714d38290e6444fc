/** Tests the checker itself on local folders: it passes if the clients are coherent, and finds stale answers otherwise. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { buildExtensions } from "../../../workshop/builder/builder.ts";
import { freePort } from "../../../workshop/freePort.ts";

interface Result {
  readonly reads: number;
  readonly changes: number;
  readonly lost: number;
  readonly joined: number;
  readonly violations: Readonly<Record<string, number>>;
}

describe("efuse-check", () => {
  let program: string;
  let folder: string;
  const check = async (
    bound: number,
    ...folders: string[]
  ): Promise<{ status: number | undefined; result: Result }> => {
    const options = ["--seconds", "3", "--bound", String(bound), "--seed", "1"];
    const done = await execa(program, [...options, ...folders], { reject: false, timeout: 120_000 });
    return { status: done.exitCode, result: JSON.parse(done.stdout) as Result };
  };

  /** Two local workers on `first`, and one by --join on each of `folders` in turn; it is killed before it joins again. */
  const checkRejoining = async (
    bound: number,
    ...folders: string[]
  ): Promise<{ status: number | undefined; result: Result }> => {
    const where = `127.0.0.1:${await freePort()}`;
    const options = ["--seconds", "60", "--bound", String(bound), "--seed", "1", "--accept", `${where}:1`];
    const run = execa(program, [...options, join(folder, "first")], { reject: false, timeout: 120_000 });
    let messages = "";
    run.stderr.on("data", (text: Buffer) => (messages += text.toString()));
    const until = async (text: string, times: number): Promise<void> => {
      while (messages.split(text).length <= times) await once(run.stderr, "data");
    };
    await until("waiting for 1 workers", 1);
    let worker: ChildProcess | undefined;
    for (const [index, each] of folders.entries()) {
      if (worker?.kill("SIGKILL")) await until("is gone", index);
      worker = spawn(program, ["--join", where, "--client", "100", each], { stdio: "inherit" });
      await until("has joined", index + 1);
      await sleep(500);
    }
    run.kill("SIGTERM");
    const done = await run;
    return { status: done.exitCode, result: JSON.parse(done.stdout) as Result };
  };

  beforeAll(async () => {
    const build = await buildExtensions((line) => process.stderr.write(`${line}\n`));
    program = join(build, "debian-13", "fuse.build", "efuse-check");
    folder = mkdtempSync(join(tmpdir(), "check-"));
    mkdirSync(join(folder, "first"));
  }, 1_200_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("finds no violation when both clients use one folder of a local file system", async () => {
    const { status, result } = await check(200, join(folder, "first"), join(folder, "first"));
    expect(result.violations).toEqual({ bound: 0, own: 0, close: 0, torn: 0, impossible: 0 });
    expect(status).toBe(0);
    expect(result.reads).toBeGreaterThan(100);
    expect(result.changes).toBeGreaterThan(50);
  }, 150_000);

  it("finds stale answers when a client never sees the other's changes", async () => {
    cpSync(join(folder, "first"), join(folder, "second"), { recursive: true });
    const { status, result } = await check(1, join(folder, "first"), join(folder, "second"));
    expect(result.violations.bound).toBeGreaterThan(0);
    expect(result.violations.close).toBeGreaterThan(0);
    expect(status).toBe(1);
  }, 150_000);

  it("continues when a joined worker is killed and joins again", async () => {
    const { status, result } = await checkRejoining(200, ...Array<string>(6).fill(join(folder, "first")));
    expect(result).toMatchObject({ lost: 5, joined: 6 });
    expect(result.violations).toEqual({ bound: 0, own: 0, close: 0, torn: 0, impossible: 0 });
    expect(status).toBe(0);
    expect(result.changes).toBeGreaterThan(50);
  }, 150_000);

  it("finds stale answers of a worker that joined again and never sees others' changes", async () => {
    cpSync(join(folder, "first"), join(folder, "third"), { recursive: true });
    const { status, result } = await checkRejoining(1, join(folder, "first"), join(folder, "third"));
    expect(result).toMatchObject({ lost: 1, joined: 2 });
    expect(result.violations.bound).toBeGreaterThan(0);
    expect(result.violations.close).toBeGreaterThan(0);
    expect(status).toBe(1);
  }, 150_000);
});
