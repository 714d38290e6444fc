/** The parts of the machines' scripts that need no machine: refusals, and cases with nothing to do. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../../../provisioning/shell.ts";

/** Runs a script like a remote step: as a function, from standard input. */
function step(file: string, ...args: string[]) {
  const script = readFileSync(new URL(file, import.meta.url), "utf8");
  const input = program({ run: { script, args } }, "test");
  const { status, stdout, stderr } = spawnSync("bash", ["-s", "run"], { input, encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("instanceStore.sh", () => {
  it("creates a plain folder on a machine without an instance store, and reports that", () => {
    const folder = mkdtempSync(join(tmpdir(), "cache-"));
    try {
      const mountpoint = join(folder, "a cache");
      expect(step("./instanceStore.sh", mountpoint, "a model that no disk has")).toMatchObject({
        status: 0,
        stdout: `no instance store: ${mountpoint} is on the root volume\n`,
      });
      expect(existsSync(mountpoint)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("waitReady.sh", () => {
  it("refuses a machine with another kernel than requested, before it waits for anything", () => {
    const { status, stderr } = step("./waitReady.sh", String.raw`^6\.1\.\d+-amzn$`, "marker");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /this machine runs Linux \S+; the settings require a release that matches \^6\\.1/,
    );
  });
});

describe("expireAt.sh", () => {
  it.each([
    ["a time in the past", "1000", /1000 is in the past/],
    ["what is no time", "tomorrow", /'tomorrow' is not a number of seconds/],
    ["nothing", "", /usage: disgrafs-expire-at EPOCH/],
  ])("refuses %s, and changes nothing", (_, time, message) => {
    const { status, stderr } = spawnSync("bash", ["provisioning/expireAt.sh", time], { encoding: "utf8" });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});
