/** Runs a process on this machine: its output, its end, and the processes that it leaves behind. */
import { spawn } from "node:child_process";
import { abortReason, StepError, type Exit } from "./errors.ts";
import type { Output } from "./output.ts";
import { endTree } from "./processTree.ts";

export interface LocalProcess {
  /** Program and arguments; the first is looked up on PATH. */
  readonly command: readonly string[];
  /** Working directory; the engine's own (the project's folder) when absent. */
  readonly dir?: string;
  /** Added to this process's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Text for standard input, which is closed after it. */
  readonly stdin?: string;
}

/** Milliseconds of silence after which an ended process counts as done although a child holds its output open. */
export const quietAfterExit = 3000;
/** Maximum time in milliseconds for which such a child may continue to write. */
export const longestAfterExit = 30_000;

export const heldOpen =
  "the command has ended, but something that it left running holds its output open; what that prints from now on is " +
  "lost. Start a daemon as a service, or with its input and output redirected (</dev/null >/dev/null 2>&1)";

/** Runs a process to its end. If the signal is aborted, everything that it started is ended first. */
export function runLocally(
  process_: LocalProcess,
  output: Output,
  signal: AbortSignal,
  warn: (text: string) => void,
): Promise<Exit> {
  const [program = "", ...args] = process_.command;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal));
      return;
    }
    // `detached` makes it the leader of a new session and process group, whose id is its pid.
    const child = spawn(program, args, {
      cwd: process_.dir,
      env: { ...process.env, ...process_.environment },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let exit: Exit | undefined;
    let quiet: NodeJS.Timeout | undefined;
    let longest: NodeJS.Timeout | undefined;
    let killing: Promise<void> | undefined;

    const finish = (): void => {
      clearTimeout(quiet);
      clearTimeout(longest);
      signal.removeEventListener("abort", stop);
      child.stdout.destroy();
      child.stderr.destroy();
      output.end();
      if (killing) void killing.then(() => reject(abortReason(signal)));
      else resolve(exit ?? {});
    };
    const leave = (): void => {
      warn(heldOpen);
      finish();
    };
    const waitForQuiet = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(killing ? finish : leave, quietAfterExit);
    };
    const stop = (): void => {
      if (child.pid !== undefined) killing = endTree(child.pid);
    };
    const read = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
      output.write(stream, chunk);
      if (exit) waitForQuiet();
    };

    child.stdout.on("data", read("stdout"));
    child.stderr.on("data", read("stderr"));
    // It is not an error if a process does not read its standard input.
    child.stdin.on("error", () => undefined);
    child.stdin.end(process_.stdin ?? "");
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      signal.removeEventListener("abort", stop);
      reject(notStarted(error, program, process_.dir));
    });
    child.on("exit", (status, exitSignal) => {
      exit = exitSignal ? { signal: exitSignal } : { status: status ?? 0 };
      longest = setTimeout(killing ? finish : leave, longestAfterExit);
      waitForQuiet();
    });
    child.on("close", finish);
    signal.addEventListener("abort", stop);
  });
}

function notStarted(error: NodeJS.ErrnoException, program: string, dir: string | undefined): StepError {
  const where = dir === undefined ? "" : ` in the folder ${dir}`;
  if (error.code === "E2BIG") {
    return new StepError(
      "the command, its environment and the previous output are larger than the system allows",
    );
  }
  if (error.code === "ENOENT") {
    return new StepError(`cannot start ${program}${where}: the program or the folder does not exist`);
  }
  return new StepError(`cannot start ${program}${where}: ${error.code ?? error.message}`);
}
