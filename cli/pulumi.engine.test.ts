/** A real engine and the repository's command provider, interrupted in the ways that users interrupt it. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jest } from "@jest/globals";
import { execa } from "execa";
import { inCheckout, inLab, checkout } from "../workshop/checkout.ts";
import { apply, type Environment } from "./environment.ts";
import { stackLocks } from "./locks.ts";
import { Pulumi } from "./pulumi.ts";
import { contentOf } from "./record.ts";

// An engine takes 2 s to start on an idle machine, and much longer on a busy one.
jest.setTimeout(400_000);

let project: string;
let environment: Environment;
let pulumi: Pulumi;
const children: ChildProcess[] = [];

beforeEach(() => {
  // A folder with a space in its name.
  project = mkdtempSync(join(tmpdir(), "lab engine "));
  const state = join(project, "state");
  mkdirSync(state);
  writeFileSync(join(project, "passphrase"), "x\n");
  environment = {
    backend: "checkout",
    set: {
      PULUMI_HOME: join(project, "home"),
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(project, "passphrase"),
      PULUMI_SKIP_UPDATE_CHECK: "1",
    },
    unset: ["PULUMI_CONFIG_PASSPHRASE"],
    notes: [],
  };
  pulumi = new Pulumi(environment, "local", project);
  symlinkSync(inCheckout("node_modules"), join(project, "node_modules"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  const plugin = JSON.stringify(inCheckout("plugins", "command"));
  writeFileSync(
    join(project, "Pulumi.yaml"),
    `name: interrupted\nruntime: {name: nodejs, options: {typescript: false}}\nmain: index.ts\n` +
      `plugins: {providers: [{name: command, path: ${plugin}}]}\n`,
  );
});
afterEach(() => {
  // Processes of a failed test must not outlive it.
  appendFileSync(join(project, "go"), "");
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(project, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

/** A program with one step that records its start, waits for a file `go`, and records its end. */
function waitingProgram(): void {
  const script = `echo began >>log; while [ ! -e go ] && [ -e index.ts ]; do sleep 0.2; done; echo ended >>log`;
  writeFileSync(
    join(project, "index.ts"),
    `import { local } from "@pulumi/command";\n` +
      `const step = new local.Command("step", { create: ${JSON.stringify(script)}, dir: ${JSON.stringify(project)} });\n` +
      `export const done = step.stdout;\n`,
  );
}

const log = (): string =>
  existsSync(join(project, "log")) ? readFileSync(join(project, "log"), "utf8") : "";

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 180_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within three minutes: ${what}`);
    await sleep(100);
  }
}

const locks = () => stackLocks(environment.set.PULUMI_BACKEND_URL!, "interrupted", "local");

/** Starts an update, and kills its CLI while the step runs. */
async function killedUpdate(): Promise<void> {
  const child = spawn("pulumi", ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", "local"], {
    cwd: project,
    env: apply(environment),
    stdio: "ignore",
  });
  children.push(child);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await until("the step began", () => log().includes("began"));
  expect(locks()).toHaveLength(1);
  child.kill("SIGKILL");
  await gone;
}

describe("after kill -9 of the CLI in the middle of an update", () => {
  it("removes the lock, repeats the step, and changes nothing at the next update", async () => {
    waitingProgram();
    await pulumi.select();
    await killedUpdate();
    expect(locks()).toHaveLength(1);
    expect(await pulumi.record()).toMatchObject({ is: "whole", pending: ["step"] });
    expect(contentOf((await pulumi.read("stack", "export"))!).pending).toEqual(["step"]);

    appendFileSync(join(project, "go"), "");
    await pulumi.recover();
    expect(locks()).toEqual([]);
    expect(await pulumi.record()).toMatchObject({ is: "whole", pending: [] });

    await expect(pulumi.run("up", "--yes", "--skip-preview", "--non-interactive")).resolves.toBe(0);
    expect(log()).toContain("ended");
    await pulumi.recover();
    await expect(
      pulumi.run("up", "--yes", "--skip-preview", "--non-interactive", "--expect-no-changes"),
    ).resolves.toBe(0);
    await expect(pulumi.run("destroy", "--yes", "--skip-preview", "--non-interactive")).resolves.toBe(0);
  });

  it("keeps the lock of a CLI that still runs, and names its holder", async () => {
    waitingProgram();
    await pulumi.select();
    const first = pulumi.run("up", "--yes", "--skip-preview", "--non-interactive");
    await until("the step began", () => log().includes("began"));
    await expect(pulumi.recover()).rejects.toThrow(/"local" is being changed by process \d+ on /);
    expect(locks()).toHaveLength(1);
    appendFileSync(join(project, "go"), "");
    await expect(first).resolves.toBe(0);
  });
});

describe("while the engine writes the state", () => {
  it("reads the outputs again", async () => {
    writeFileSync(join(project, "index.ts"), "export const done = 1;\n");
    await pulumi.select();
    await expect(pulumi.run("up", "--yes", "--skip-preview", "--non-interactive")).resolves.toBe(0);
    // As in the middle of a write: the file of attributes is empty for a while.
    const attributes = join(project, "state", ".pulumi", "stacks", "interrupted", "local.json.attrs");
    const whole = readFileSync(attributes);
    writeFileSync(attributes, "");
    const once = await execa("pulumi", ["stack", "output", "--json", "--stack", "local"], {
      cwd: project,
      env: apply(environment),
      extendEnv: false,
      reject: false,
    });
    expect(once.stderr).toContain("EOF");
    setTimeout(() => writeFileSync(attributes, whole), 3000);
    await expect(pulumi.outputs()).resolves.toEqual({ done: 1 });
  });
});

describe("a signal to the lab", () => {
  it("reaches pulumi once, which ends the update and leaves no lock", async () => {
    waitingProgram();
    await pulumi.select();
    writeFileSync(
      join(project, "lab.ts"),
      `import { Pulumi } from ${JSON.stringify(inCheckout("cli", "pulumi.ts"))};\n` +
        `const pulumi = new Pulumi(${JSON.stringify(environment)}, "local", ${JSON.stringify(project)});\n` +
        `process.exitCode = await pulumi.run("up", "--yes", "--skip-preview", "--non-interactive");\n`,
    );
    const child = spawn(process.execPath, [join(project, "lab.ts")], {
      cwd: checkout,
      stdio: "ignore",
      detached: true,
    });
    children.push(child);
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    await until("the step began", () => log().includes("began"));
    child.kill("SIGTERM");
    expect(await ended).toBeGreaterThan(0);
    expect(log()).not.toContain("ended");
    expect(locks()).toEqual([]);
  });
});

describe("a program", () => {
  it("runs without ts-node and with Node's cache, and its outputs are read without the CLI", async () => {
    writeFileSync(
      join(project, "index.ts"),
      `import { createRequire } from "node:module";\nimport * as pulumi from "@pulumi/pulumi";\n` +
        `const loaded = Object.keys(createRequire(import.meta.url).cache);\n` +
        `export const compilers = loaded.filter((file) => /ts-node/.test(file));\n` +
        `export const cache = process.env.NODE_COMPILE_CACHE;\n` +
        `export const hidden = pulumi.secret("word");\n`,
    );
    await pulumi.select();
    await expect(pulumi.run("up", "--yes", "--skip-preview", "--non-interactive")).resolves.toBe(0);
    const withoutCli = new Pulumi(
      { ...environment, set: { ...environment.set, PATH: "/nonexistent" } },
      "local",
      project,
    );
    await expect(withoutCli.output("compilers")).resolves.toEqual([]);
    await expect(withoutCli.output("cache")).resolves.toBe(inLab("node-compile-cache"));
    await expect(withoutCli.output("hidden")).resolves.toBeUndefined();
    await expect(pulumi.output("hidden")).resolves.toBe("word");
  });
});

describe("select", () => {
  it("creates a stack again whose state and passphrase were deleted", async () => {
    waitingProgram();
    await pulumi.select();
    expect(readFileSync(join(project, "Pulumi.local.yaml"), "utf8")).toMatch(/^encryptionsalt: /m);
    rmSync(join(project, "state"), { recursive: true });
    mkdirSync(join(project, "state"));
    writeFileSync(join(project, "passphrase"), "another\n");
    await pulumi.select();
    await expect(pulumi.exists()).resolves.toBe(true);
  });

  it("does not discard a setting that only the lost passphrase can read", async () => {
    waitingProgram();
    await pulumi.select();
    await expect(pulumi.run("config", "set", "--secret", "token", "x", "--non-interactive")).resolves.toBe(0);
    const before = readFileSync(join(project, "Pulumi.local.yaml"), "utf8");
    rmSync(join(project, "state"), { recursive: true });
    mkdirSync(join(project, "state"));
    await expect(pulumi.select()).rejects.toThrow('remove its "secure:" values');
    expect(readFileSync(join(project, "Pulumi.local.yaml"), "utf8")).toBe(before);
  });
});
