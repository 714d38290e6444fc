/**
 * Tests the checker itself on local folders: it passes if the clients are coherent, and otherwise finds stale answers and each kind
 * of wrong content.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  readonly missed: readonly {
    readonly client: number;
    readonly sent_s: number;
    readonly answered_s: number;
  }[];
  readonly violations: Readonly<Record<string, number>>;
}

const none = { bound: 0, own: 0, close: 0, torn: 0, mixed: 0, missed: 0, impossible: 0 };

describe("efuse-check", () => {
  let program: string;
  let folder: string;
  const check = async (
    bound: number,
    ...optionsAndFolders: string[]
  ): Promise<{ status: number | undefined; result: Result }> => {
    const options = ["--seconds", "3", "--bound", String(bound), "--seed", "1"];
    const done = await execa(program, [...options, ...optionsAndFolders], {
      reject: false,
      timeout: 120_000,
    });
    return { status: done.exitCode, result: JSON.parse(done.stdout) as Result };
  };

  const pages = ["--only", "pages", "--objects", "2"];

  /** Two workers use objects of one kind in a folder, which is damaged meanwhile; the checker must fail. */
  const checkWhile = async (kind: string, place: string, damage: () => void): Promise<Result> => {
    mkdirSync(place, { recursive: true });
    const options = ["--seconds", "3", "--bound", "200", "--seed", "1", "--only", kind, "--objects", "2"];
    const run = execa(program, [...options, place], { reject: false, timeout: 120_000 });
    const end = once(run, "exit");
    let messages = "";
    run.stderr.on("data", (text: Buffer) => (messages += text.toString()));
    while (!messages.includes("seed")) await once(run.stderr, "data");
    while ((await Promise.race([end, sleep(20)])) === undefined) damage();
    const done = await run;
    expect(done.exitCode).toBe(1);
    return JSON.parse(done.stdout) as Result;
  };

  /** The same with stamped files: `damage` changes the content of one, from its first content. */
  const checkDamaged = (damage: (content: Buffer, first: Buffer) => void): Promise<Result> => {
    const place = join(folder, "damaged");
    const path = join(place, "pages0/x");
    let first: Buffer | undefined;
    return checkWhile("pages", place, () => {
      const content = readFileSync(path);
      damage(content, (first ??= Buffer.from(content)));
      writeFileSync(path, content, { flag: "r+" });
    });
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
    expect(result.violations).toEqual(none);
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

  it("finds no wrong content when both clients use one folder of a local file system", async () => {
    const { status, result } = await check(200, ...pages, join(folder, "first"), join(folder, "first"));
    expect(result.violations).toEqual(none);
    expect(status).toBe(0);
    expect(result.reads).toBeGreaterThan(1000);
    expect(result.changes).toBeGreaterThan(10);
  }, 150_000);

  it("finds old content when a client never sees the other's changes", async () => {
    cpSync(join(folder, "first"), join(folder, "second"), { recursive: true });
    const { status, result } = await check(1, ...pages, join(folder, "first"), join(folder, "second"));
    expect(result.violations.close).toBeGreaterThan(0);
    expect(status).toBe(1);
  }, 150_000);

  it("finds pages of versions that never existed together", async () => {
    const result = await checkDamaged((content, first) => {
      first.copy(content, 4096, 4096, 8192);
    });
    expect(result.violations.mixed).toBeGreaterThan(0);
    expect(result.violations).toMatchObject({ impossible: 0 });
  }, 150_000);

  it("finds a page with lines of two changes", async () => {
    const result = await checkDamaged((content, first) => {
      first.copy(content, 4096, 4096, 4112);
    });
    expect(result.violations.torn).toBeGreaterThan(0);
    expect(result.violations).toMatchObject({ impossible: 0 });
  }, 150_000);

  it("finds a page that nobody wrote there", async () => {
    const result = await checkDamaged((content) => {
      content.copyWithin(0, 1, 4096);
    });
    expect(result.violations.impossible).toBeGreaterThan(0);
  }, 150_000);

  it("finds opens of a replaced name that find nothing", async () => {
    const place = join(folder, "missing");
    const result = await checkWhile("replaced", place, () => {
      rmSync(join(place, "replaced0/x"), { force: true });
    });
    expect(result.violations.missed).toBeGreaterThan(0);
    expect(result.missed.length).toBe(Math.min(64, result.violations.missed!));
    for (const { client, sent_s, answered_s } of result.missed) {
      expect(client).toBe(0);
      expect(answered_s).toBeGreaterThan(sent_s);
    }
  }, 150_000);

  it("continues when a joined worker is killed and joins again", async () => {
    const { status, result } = await checkRejoining(200, ...Array<string>(6).fill(join(folder, "first")));
    expect(result).toMatchObject({ lost: 5, joined: 6 });
    expect(result.violations).toEqual(none);
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
