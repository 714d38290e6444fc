/** A Pulumi project in a separate folder, with its own state and the test's plugins for aws and command. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa, type ResultPromise } from "execa";
import type { Cloud } from "./cloud.ts";

const root = new URL("../..", import.meta.url).pathname;

export interface Finished {
  readonly exitCode: number;
  /** Standard output and error, in the order of their arrival. */
  readonly text: string;
}

export interface RemoteCall {
  readonly operation: string;
  readonly name: string;
  readonly host: string;
  readonly stdin: string;
}

export class LabProject {
  readonly folder: string;
  readonly #calls: string;
  /** Environment for the CLI and for other programs that use this cloud. */
  readonly env: Record<string, string>;

  /**
   * @param program file of the program in the checkout
   * @param steps folder of the command plugin: the test's, which only records remote steps, or the real one
   */
  constructor(cloud: Cloud, program = "tests/aws/program/index.ts", steps = "tests/aws/provider") {
    // In the checkout, because Node searches parent folders for packages; git ignores .lab.
    mkdirSync(join(root, ".lab/tests"), { recursive: true });
    this.folder = mkdtempSync(join(root, ".lab/tests/aws-"));
    this.#calls = join(this.folder, "calls");
    writeFileSync(this.#calls, "");
    mkdirSync(join(this.folder, "state"));
    writeFileSync(
      join(this.folder, "Pulumi.yaml"),
      JSON.stringify({
        name: "disgrafs-lab",
        runtime: { name: "nodejs", options: { typescript: false } },
        main: join(root, program),
        plugins: {
          providers: [
            { name: "aws", path: join(root, "tests/aws/provider") },
            { name: "command", path: join(root, steps) },
          ],
        },
      }),
    );
    this.env = {
      ...(process.env as Record<string, string>),
      ...cloud.env,
      PULUMI_HOME: join(this.folder, "home"),
      PULUMI_BACKEND_URL: `file://${join(this.folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      DISGRAFS_REMOTE_CALLS: this.#calls,
    };
  }

  /** Writes the stack's settings; creates the stack if it does not exist. */
  async configure(stack: string, settings: { aws: object; [key: string]: unknown }): Promise<void> {
    const made = await this.pulumi("stack", "select", "--create", stack);
    if (made.exitCode !== 0) throw new Error(made.text);
    const file = join(this.folder, `Pulumi.${stack}.yaml`);
    let salt: string | undefined;
    try {
      salt = /^encryptionsalt: *(.*)$/m.exec(readFileSync(file, "utf8"))?.[1];
    } catch {
      // The stack is new.
    }
    const config = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`disgrafs-lab:${key}`, value]),
    );
    writeFileSync(file, JSON.stringify({ ...(salt !== undefined && { encryptionsalt: salt }), config }));
  }

  /** The stack's current settings, without the project's name. */
  async settings(stack: string): Promise<Record<string, unknown>> {
    const text = await this.succeed("config", "--json", "--stack", stack);
    const config = JSON.parse(text) as Record<string, { objectValue?: unknown; value?: string }>;
    return Object.fromEntries(
      Object.entries(config).map(([key, entry]) => [
        key.split(":")[1] ?? key,
        entry.objectValue ?? entry.value,
      ]),
    );
  }

  start(...args: string[]): ResultPromise<{ reject: false; all: true }> {
    return execa("pulumi", [...args, "--non-interactive"], {
      cwd: this.folder,
      env: this.env,
      extendEnv: false,
      reject: false,
      all: true,
    });
  }

  async pulumi(...args: string[]): Promise<Finished> {
    const { exitCode, all } = await this.start(...args);
    return { exitCode: exitCode ?? 1, text: all };
  }

  /** Runs a command that must succeed; returns its output. */
  async succeed(...args: string[]): Promise<string> {
    const { exitCode, text } = await this.pulumi(...args);
    if (exitCode !== 0) throw new Error(`pulumi ${args.join(" ")} ended with status ${exitCode}:\n${text}`);
    return text;
  }

  async up(...args: string[]): Promise<string> {
    return await this.succeed("up", "--yes", "--skip-preview", ...args);
  }

  /** Runs a command of inProject.ts. */
  async lab(stack: string, verb: string, ...args: string[]): Promise<Finished> {
    const program = join(root, "tests/aws/inProject.ts");
    const { exitCode, all } = await execa(process.execPath, [program, this.folder, stack, verb, ...args], {
      cwd: this.folder,
      env: this.env,
      extendEnv: false,
      reject: false,
      all: true,
    });
    return { exitCode: exitCode ?? 1, text: all };
  }

  async destroy(): Promise<string> {
    return await this.succeed("destroy", "--yes", "--skip-preview");
  }

  async outputs<T>(): Promise<T> {
    const { text } = await this.pulumi("stack", "output", "--json");
    return JSON.parse(text) as T;
  }

  /** The remote steps since the last call of this, in order. */
  remoteCalls(): RemoteCall[] {
    const lines = readFileSync(this.#calls, "utf8").split("\n").filter(Boolean);
    writeFileSync(this.#calls, "");
    return lines.map((line) => JSON.parse(line) as RemoteCall);
  }

  remove(): void {
    // Processes that a killed CLI left may still write for a moment.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
