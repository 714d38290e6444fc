/** pulumi-resource-command, the program that the engine starts. */
import { jest } from "@jest/globals";
import { spawnSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// This machine may be busy.
jest.setTimeout(60_000);

const launcher = join(import.meta.dirname, "pulumi-resource-command");

describe("pulumi-resource-command", () => {
  test("prints only a port, and ends when the engine closes standard input", async () => {
    const child = spawn(launcher, ["127.0.0.1:1"], { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      child.stdin.end();
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(output).toMatch(/^\d+\n$/);
    expect(status).toBe(0);
  });

  test("reports how to get Node 24 if PATH has an older version", () => {
    const folder = mkdtempSync(join(tmpdir(), "launcher-"));
    try {
      mkdirSync(join(folder, "plugins/command"), { recursive: true });
      const copy = join(folder, "plugins/command/pulumi-resource-command");
      copyFileSync(launcher, copy);
      const run = (): string =>
        spawnSync(copy, [], { env: { PATH: `${folder}:/usr/bin:/bin` } }).stderr.toString();
      writeFileSync(join(folder, "node"), "#!/bin/sh\necho 20.1.0\n");
      chmodSync(join(folder, "node"), 0o755);
      expect(run()).toBe(
        `pulumi-resource-command: Node 24 or newer is needed and the one on PATH is 20.1.0. Run 'npm ci' in ${folder}, which brings it.\n`,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
