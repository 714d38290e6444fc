/** Runs the Pulumi CLI in this checkout, with the environment from environment.ts. */
import { constants, copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { apply, environment, type Environment } from "./environment.ts";
import { advice, EventLog } from "./eventLog.ts";
import { whenWhole } from "../stacks/wholeState.ts";
import { checkout, inLab } from "../workshop/checkout.ts";
import { heldBy, removeStaleLocks, stackLocks } from "./locks.ts";
import { Problem } from "./problem.ts";
import {
  localPart,
  readRecord,
  recordFolder,
  contentOf,
  type LocalPart,
  type StackRecord,
} from "./record.ts";

export class Pulumi {
  readonly environment: Environment;
  /** As given by the user; may be `organization/name` for backends with organizations. */
  readonly stack: string;
  /** Its last part: the name in the program, and of the stack's folder. */
  readonly localName: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #project: string;

  /** `project` is the folder of Pulumi.yaml. */
  constructor(environment: Environment, stack: string, project = checkout) {
    this.environment = environment;
    this.stack = stack;
    this.localName = localName(stack);
    // Node keeps what it compiles of the program, which takes half of its start.
    this.#env = { ...apply(environment), NODE_COMPILE_CACHE: inLab("node-compile-cache") };
    this.#project = project;
  }

  /** For a stack, in the environment of this process. */
  static async forStack(stack: string): Promise<Pulumi> {
    const decision = await environment();
    for (const note of decision.notes) process.stderr.write(`${note}\n`);
    return new Pulumi(decision, stack);
  }

  /**
   * Runs a command on the stack with this process's terminal; returns its exit status. If `up` or `destroy` fails with an AWS
   * error that the user can fix, the last lines say how.
   */
  async run(...args: string[]): Promise<number> {
    if (args[0] !== "up" && args[0] !== "destroy") return await this.#attached(args, this.#env);
    const log = new EventLog();
    try {
      const status = await this.#attached([...args, ...log.options], { ...this.#env, ...log.env });
      if (status !== 0) for (const line of advice(log.errors())) say(line);
      return status;
    } finally {
      log.remove();
    }
  }

  async #attached(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
    const child = execa("pulumi", [...args, "--stack", this.stack], {
      cwd: this.#project,
      env,
      extendEnv: false,
      stdio: "inherit",
      reject: false,
      // Signals that end this process are passed on below, and then we wait for pulumi.
      cleanup: false,
    });
    // Pulumi ends an update cleanly at the first interrupt and immediately at the second, so it must get exactly one.
    // A terminal's Ctrl-C reaches its whole foreground group, pulumi included; any other signal reaches only us.
    let passedOn = false;
    const pass = (signal: NodeJS.Signals): void => {
      this.#interrupted = true;
      if (passedOn || (signal === "SIGINT" && inForeground())) return;
      passedOn = true;
      child.kill("SIGINT");
    };
    const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    try {
      const result = await child;
      if (result.code === "ENOENT") throw new Problem("there is no Pulumi CLI yet; run ./lab setup");
      return result.exitCode ?? 1;
    } finally {
      for (const signal of signals) process.off(signal, pass);
    }
  }

  /** The output of a command on the stack; undefined if it fails. */
  async read(...args: string[]): Promise<string | undefined> {
    const result = await this.quiet(...args, "--stack", this.stack);
    return result.exitCode === 0 ? result.stdout : undefined;
  }

  /** The stack's outputs with secrets in plain text: never print them. Undefined if there is no stack. */
  async outputs(): Promise<Record<string, unknown> | undefined> {
    const text = await this.read("stack", "output", "--json", "--show-secrets");
    return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
  }

  /** One output of the stack, from the record's file if possible: the CLI takes 0.4 s to derive the key of the secrets. */
  async output(name: string): Promise<unknown> {
    const record = this.recordFolder === undefined ? undefined : await this.record();
    const resources = record?.is === "whole" ? record.resources : [];
    const stack = resources.find(({ type }) => type === "pulumi:pulumi:Stack");
    const value = stack?.outputs?.[name];
    return stack && !isSecret(value) ? value : (await this.outputs())?.[name];
  }

  /** Name of the project: the namespace of its settings. */
  get project(): string {
    return projectName(this.#project);
  }

  /** Pulumi's file with the stack's settings. */
  get settingsFile(): string {
    return join(this.#project, `Pulumi.${this.localName}.yaml`);
  }

  /** Folder of the stacks' state files; undefined if the backend is not a folder on this computer. */
  get recordFolder(): string | undefined {
    return recordFolder(this.#env.PULUMI_BACKEND_URL, projectName(this.#project));
  }

  /** The backend's record of the stack, read as a file if possible, else by the CLI. */
  async record(): Promise<StackRecord> {
    if (this.recordFolder !== undefined) return readRecord(this.recordFolder, this.localName);
    if (!(await this.exists())) return { is: "absent" };
    const text = await this.read("stack", "export");
    return text === undefined
      ? { is: "broken", file: this.stack }
      : { is: "whole", file: this.stack, ...contentOf(text) };
  }

  /** This computer's part of the stack, from its record. */
  async localPart(): Promise<LocalPart | undefined> {
    const record = await this.record();
    return record.is === "whole" ? localPart(record.resources) : undefined;
  }

  #interrupted = false;

  /** Whether the user interrupted a command. */
  wasInterrupted(): boolean {
    return this.#interrupted;
  }

  /** Whether the backend has the stack. Throws if the backend cannot be queried. */
  async exists(): Promise<boolean> {
    const result = await this.quiet("stack", "ls", "--json");
    if (result.code === "ENOENT") throw new Problem("there is no Pulumi CLI yet; run ./lab setup");
    if (result.exitCode !== 0) throw new Problem(`pulumi stack ls failed:\n${result.stderr}`);
    const stacks = JSON.parse(result.stdout) as { name: string }[];
    return stacks.some(({ name }) => localName(name) === this.localName);
  }

  /** Selects the stack, and creates it first if it does not exist. */
  async select(): Promise<void> {
    if (settingsFromExample(this.#project, this.localName))
      say(`created Pulumi.${this.localName}.yaml with the settings of Pulumi.${this.localName}.example.yaml`);
    // Every command names its stack, so an existing stack need not be the selected one.
    if (
      this.recordFolder !== undefined &&
      (await this.record()).is === "whole" &&
      existsSync(this.settingsFile)
    )
      return;
    const selected = await this.quiet("stack", "select", "--", this.stack);
    if (selected.exitCode === 0) return;
    if (selected.code === "ENOENT") throw new Problem("there is no Pulumi CLI yet; run ./lab setup");
    if (this.environment.backend === "checkout") this.#forgetOldSalt();
    const made = await this.quiet("stack", "init", "--", this.stack);
    if (made.exitCode === 0) return;
    throw new Problem(
      `the stack "${this.stack}" cannot be created or selected:\n${made.stderr.trim()}${hint(made.stderr)}`,
    );
  }

  /**
   * Repairs the stack after an interrupted command: removes the lock of a CLI that has ended, and drops pending creations.
   * Every step of the lab can be repeated, so they simply run again.
   */
  async recover(): Promise<void> {
    const backend = this.#env.PULUMI_BACKEND_URL ?? "";
    const project = projectName(this.#project);
    for (const lock of removeStaleLocks(backend, project, this.localName)) {
      const whose =
        lock.pid === undefined ? "it does not say whose" : `process ${lock.pid}, ${lock.timestamp}`;
      say(`removed the lock of a pulumi process that no longer exists (${whose})`);
    }
    const [held] = stackLocks(backend, project, this.localName);
    if (held) throw new Problem(heldBy(held, this.stack));
    const record = await this.record();
    const pending = record.is === "whole" ? record.pending : [];
    if (pending.length === 0) return;
    say(`the last run was interrupted while creating ${pending.join(", ")}; repeating that`);
    const refresh = ["refresh", "--clear-pending-creates", "--yes", "--skip-preview", "--non-interactive"];
    const result = await this.quiet(...refresh, "--stack", this.stack);
    if (result.exitCode !== 0)
      throw new Problem(`pulumi refresh failed:\n${result.stdout}\n${result.stderr}`);
  }

  /**
   * Pulumi stores the salt of a stack's secrets in Pulumi.STACK.yaml. After .lab was deleted, that salt belongs to a lost
   * passphrase and is useless: it must be removed before the stack is created again.
   */
  #forgetOldSalt(): void {
    const file = join(this.#project, `Pulumi.${this.localName}.yaml`);
    if (!existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    if (!/^encryptionsalt:/m.test(text)) return;
    if (/^\s+secure:/m.test(text)) {
      throw new Problem(
        `Pulumi.${this.stack}.yaml contains secrets of a stack whose state is missing; ` +
          `remove its "secure:" values and its "encryptionsalt:" line, and set the secrets again`,
      );
    }
    say(`Pulumi.${this.stack}.yaml: removed the encryption salt of a stack whose state no longer exists`);
    writeFileSync(`${file}.new`, text.replace(/^encryptionsalt:.*\n?/m, ""));
    renameSync(`${file}.new`, file);
  }

  /** Runs a command and returns its output and status; never throws. */
  quiet(...args: readonly string[]) {
    const run = () =>
      execa("pulumi", args, {
        cwd: this.#project,
        env: this.#env,
        extendEnv: false,
        stdin: "ignore",
        reject: false,
        maxBuffer: 256 * 1024 * 1024,
      });
    return whenWhole(run, ({ stderr }) => stderr);
  }
}

/** The last part of a stack's name, checked by Pulumi's rules, because it becomes part of paths. */
export function localName(stack: string): string {
  const name = stack.split("/").at(-1) ?? "";
  if (/^[\w.-]{1,100}$/.test(name) && !/^\.{1,2}$|^-/.test(name)) return name;
  throw new Problem(
    `"${stack}" is not a valid stack name: use letters, digits, "-", "_" and ".", and do not begin with "-"`,
  );
}

/**
 * Starts a stack with the repository's settings for a stack of this name. They are copied, because Pulumi writes the user's own
 * values into a stack's file. Returns false if there are none, or if the stack already has settings.
 */
export function settingsFromExample(project: string, stack: string): boolean {
  try {
    const [from, to] = [join(project, `Pulumi.${stack}.example.yaml`), join(project, `Pulumi.${stack}.yaml`)];
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

function hint(error: string): string {
  if (!/passphrase/i.test(error)) return "";
  return (
    "\nYour own Pulumi backend keeps secrets with a passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE " +
    "(or PULUMI_CONFIG_PASSPHRASE) to the one of this stack."
  );
}

/** Whether a value of a record is encrypted: then it is an object with Pulumi's signature of secrets. */
function isSecret(value: unknown): boolean {
  return typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
}

/** `name:` of Pulumi.yaml. */
function projectName(folder: string): string {
  const name = /^name: *(\S+)/m.exec(readFileSync(join(folder, "Pulumi.yaml"), "utf8"))?.[1];
  if (name === undefined) throw new Problem("Pulumi.yaml has no name");
  return name;
}

/** True if this process is in its terminal's foreground group, to which the terminal sends Ctrl-C. */
function inForeground(): boolean {
  // proc(5): 5 is the process group, 8 the terminal's foreground group, counted from the end of the command's name.
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}

export function say(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}
