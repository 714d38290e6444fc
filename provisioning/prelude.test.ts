import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prelude = readFileSync(new URL("./prelude.sh", import.meta.url), "utf8");

/** Runs a script like a step, with a time limit in seconds. */
function step(seconds: number, script: string) {
  const result = spawnSync("timeout", ["-k", "10", String(seconds), "bash", "-s"], {
    input: `${prelude}\nset -euo pipefail\n${script}\n`,
    encoding: "utf8",
  });
  return { status: result.status, stderr: result.stderr };
}

/** A Redis's folder with one append-only file, and what happens to it before a start. */
describe("a Redis that starts", () => {
  let folder: string;
  let file: string;
  const sound = Buffer.from("*2\r\n$4\r\nINCR\r\n$3\r\na\0b\r\n");
  const cut = () => step(60, `cut_zeros ${folder} >&2`);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "redis-"));
    mkdirSync(join(folder, "appendonlydir"));
    const files = ["base.rdb seq 1 type b", "incr.aof seq 1 type i", "incr.aof seq 2 type i"];
    writeFileSync(
      join(folder, "appendonlydir/appendonly.aof.manifest"),
      files.map((each, index) => `file appendonly.aof.${Math.max(1, index)}.${each}\n`).join(""),
    );
    file = join(folder, "appendonlydir/appendonly.aof.2.incr.aof");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it.each([
    ["is sound", sound],
    ["is empty", Buffer.alloc(0)],
    ["is damaged in the middle", Buffer.concat([Buffer.alloc(4096), sound])],
    ["ends in the middle of a command, which Redis removes", sound.subarray(0, -2)],
  ])("has the same file if it %s, and no copy", (_, content) => {
    writeFileSync(file, content);
    const { mtimeMs, ino } = statSync(file);
    expect(cut()).toEqual({ status: 0, stderr: "" });
    expect(readFileSync(file)).toEqual(content);
    expect(statSync(file)).toMatchObject({ mtimeMs, ino });
    expect(readdirSync(folder)).toEqual(["appendonlydir"]);
  });

  it("may have no file yet", () => {
    rmSync(join(folder, "appendonlydir"), { recursive: true });
    expect(cut()).toEqual({ status: 0, stderr: "" });
  });

  it.each([
    ["a whole command", sound],
    ["a part of a command with zeros of its own", sound.subarray(0, -2)],
    ["nothing", Buffer.alloc(0)],
  ])("loses the zeros after %s, and the file as it was is kept", (_, content) => {
    const damaged = Buffer.concat([content, Buffer.alloc(10_000)]);
    writeFileSync(file, damaged);
    const { status, stderr } = cut();
    expect(status).toBe(0);
    expect(readFileSync(file)).toEqual(content);
    const [copy = ""] = readdirSync(folder).filter((name) => name !== "appendonlydir");
    expect(readFileSync(join(folder, copy))).toEqual(damaged);
    expect(stderr).toContain("appendonly.aof.2.incr.aof ended with 10000 zeros");
    expect(stderr).toContain(join(folder, copy));
  });

  it("keeps the last three damaged files", () => {
    for (const year of [2021, 2022, 2023, 2024]) writeFileSync(join(folder, `damaged-${year}`), "");
    writeFileSync(file, Buffer.alloc(1));
    expect(cut().status).toBe(0);
    expect(readdirSync(folder)).toEqual([
      "appendonlydir",
      "damaged-2023",
      "damaged-2024",
      expect.stringMatching(/^damaged-\d{8}T\d{6}Z-appendonly/),
    ]);
  });

  it("does so by a program of its own, which needs nothing of the prelude", () => {
    writeFileSync(file, Buffer.concat([sound, Buffer.alloc(3)]));
    const program = join(folder, "program");
    const { status, stderr } = step(
      60,
      `put() { cat >"$1"; }; put_cut_zeros ${program}; bash ${program} ${folder} >&2`,
    );
    expect(status).toBe(0);
    expect(stderr).toContain("ended with 3 zeros");
    expect(readFileSync(file)).toEqual(sound);
  });
});

describe("a step", () => {
  it("reports what it waited for when its time is over", () => {
    const { status, stderr } = step(2, 'wait_for 1000 "the end of the world" false');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("reports it also if the time ends during a check by a function, whose code is not shown", () => {
    const { status, stderr } = step(2, 'ask() { sleep 100; }; wait_for 1000 "the end of the world" ask');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("gives up after the time limit of a wait, and reports what it waited for", () => {
    expect(step(60, 'wait_for 1 "the answer" false; echo never >&2')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^the answer did not come in time\n/) as string,
    });
  });

  it("gives up on a service that is restarted again and again, and reports that", () => {
    const { status, stderr } = step(
      60,
      `systemctl() { echo $((SECONDS * 4)); }
      journalctl() { echo cannot map; }
      work_of_unit() { echo $((SECONDS * 1000000)); }
      unit_of_step=graph.service
      wait_for 1 "the graph" false`,
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^the graph did not come in time\ngraph.service was restarted \d+ times meanwhile\n/,
    );
    expect(stderr).toContain("the last lines of graph.service:\ncannot map\n");
  });

  it("counts the restarts during the whole wait, even if each time limit sees only one", () => {
    const { status, stderr } = step(
      60,
      `systemctl() { echo $((SECONDS / 2)); }
      journalctl() { echo cannot map; }
      work_of_unit() { echo $((SECONDS * 1000000)); }
      unit_of_step=graph.service
      wait_for 2 "the graph" false`,
    );
    expect(status).toBe(1);
    expect(stderr).toContain("graph.service was restarted 3 times meanwhile");
  });

  it("continues as soon as the wait is over, and ends with its own status", () => {
    const { status, stderr } = step(60, 'wait_for 50 "the answer" true; echo done >&2; exit 3');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^done\n/);
  });

  it("ends units that are there, and has nothing to do when an interrupted step had removed them", () => {
    const systemctl = (active: string): string => `systemctl() {
        case "$*" in
          "cat gone.service") return 1 ;;
          "cat "*) ;;
          "-q is-active "*) return ${active} ;;
          *) echo "$*" >&2 ;;
        esac
      }`;
    expect(step(60, `${systemctl("3")}; end_units a.service gone.service b.service`)).toEqual({
      status: 0,
      stderr: "stop a.service b.service\n-q --root=/ disable a.service b.service\n",
    });
    expect(step(60, `${systemctl("3")}; end_units gone.service`)).toEqual({ status: 0, stderr: "" });
    const left = step(60, `${systemctl("0")}; end_units a.service; echo never >&2`);
    expect(left.status).toBe(1);
    expect(left.stderr).toMatch(/a\.service is still active\n$/);
  });
});
