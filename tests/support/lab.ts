/** Helpers for tests of a whole lab: its command line, its machines, and steps that build on the previous one. */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import type { Verdict } from "../../bpf/pipeline/extensionOnNode.ts";
import type { ExtensionName } from "../../bpf/table.ts";
import { checkout } from "../../workshop/checkout.ts";
import { sshConfigFile } from "../../stacks/local/paths.ts";

export interface Outcome {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs `./lab`; does not throw if it fails. */
export async function lab(...args: string[]): Promise<Outcome> {
  const result = await execa(join(checkout, "lab"), args, { all: true, reject: false, stdin: "ignore" });
  return { exitCode: result.exitCode ?? 255, output: result.all };
}

/** Like `lab`, but fails the test, with the end of the output, if the command fails. */
export async function succeed(...args: string[]): Promise<string> {
  const { exitCode, output } = await lab(...args);
  if (exitCode === 0) return output;
  // When a step fails, the program prints pages about its lost engine after it.
  const errors = output
    .split("\n")
    .filter((line) => line.includes("error: ") && !line.includes("14 UNAVAILABLE"));
  throw new Error(
    `./lab ${args.join(" ")} ended with ${exitCode}:\n${errors.slice(0, 20).join("\n")}\n...\n${output.slice(-4000)}`,
  );
}

/** Runs `./lab` and returns its standard output, as a calling program gets it; does not throw if it fails. */
export async function labForPrograms(...args: string[]): Promise<Outcome> {
  const result = await execa(join(checkout, "lab"), args, {
    reject: false,
    stdin: "ignore",
    stderr: "inherit",
  });
  return { exitCode: result.exitCode ?? 255, output: result.stdout };
}

/** Runs `./lab up` for a stack with settings of the form `name=value`; returns the output. */
export function upWith(stack: string, settings: readonly string[]): Promise<string> {
  return succeed("up", "--stack", stack, ...settings.flatMap((setting) => ["-c", setting]));
}

/** A verdict in a stack's output `extensionVerdicts`. */
export interface ExtensionVerdict {
  readonly extension: ExtensionName;
  readonly node: string;
  readonly verdict: Verdict;
}

export async function extensionVerdicts(stack: string): Promise<ExtensionVerdict[]> {
  const output = await pulumi("stack", "output", "extensionVerdicts", "--json", "-s", stack);
  return JSON.parse(output) as ExtensionVerdict[];
}

/** Standard output of plain `pulumi` in the environment of `./lab env`. */
export async function pulumi(...args: string[]): Promise<string> {
  const { stdout } = await execa("bash", ["-c", 'eval "$(./lab env)" && pulumi "$@"', "pulumi", ...args], {
    cwd: checkout,
    stdin: "ignore",
  });
  return stdout;
}

/** Standard output of a bash script on a node; throws if any of its commands fails. */
export async function onNode(stack: string, node: string, script: string): Promise<string> {
  const { stdout } = await execa(
    "ssh",
    ["-F", sshConfigFile(stack, node), "-o", "BatchMode=yes", node, "bash -s"],
    // As a function, the script is read completely before it runs: no command in it can consume the rest as its input.
    { input: `set -euo pipefail\nrun() {\n${script}\n}\nrun </dev/null\n` },
  );
  return stdout;
}

export interface OpenPage {
  /** `http://127.0.0.1:PORT/`, valid until it is closed. */
  readonly address: string;
  readonly close: () => Promise<void>;
}

/** Runs `./lab open PAGE --print`, which keeps a tunnel open. */
export async function openPage(stack: string, page: string): Promise<OpenPage> {
  const tunnel = spawn(join(checkout, "lab"), ["open", page, "--stack", stack, "--print"], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(tunnel, "exit");
  const [address] = (await Promise.race([
    once(createInterface({ input: tunnel.stdout }), "line"),
    ended.then(() => {
      throw new Error(`./lab open ${page} has ended`);
    }),
  ])) as [string];
  const close = async (): Promise<void> => {
    tunnel.kill();
    await ended;
  };
  return { address, close };
}

/** The lines of "Resources:" that report changes. */
export function changes(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => /^ {4}[+~-]+ ?\d+ (created|updated|deleted|replaced)/.test(line));
}

/** Removes a stack in any state, with its record and settings. */
export async function removeStack(name: string): Promise<void> {
  await lab("down", "--stack", name);
  await pulumi("stack", "rm", "--yes", name).catch(() => undefined);
  rmSync(join(checkout, `Pulumi.${name}.yaml`), { force: true });
}

export interface Story {
  /** A test that fails at once after a failed step, because it would only fail for the same reason, and take time. */
  readonly step: (name: string, work: () => Promise<void>, limit: number) => void;
  /** Whether a step has failed. */
  readonly broken: boolean;
}

export function story(): Story {
  let broken = false;
  return {
    step: (name, work, limit) => {
      it(
        name,
        async () => {
          if (broken) throw new Error("not tried: an earlier step failed");
          broken = true;
          await work();
          broken = false;
        },
        limit,
      );
    },
    get broken() {
      return broken;
    },
  };
}
