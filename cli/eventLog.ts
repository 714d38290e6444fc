/**
 * Reads the engine's event log of one `pulumi up` or `destroy`, which the CLI writes while it owns the terminal: the errors, and
 * advice for those of AWS. The log is not stored, because diagnostics may contain a program's output.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awsFailure } from "../stacks/aws/advice.ts";

export class EventLog {
  // In memory, and without a name: the engine also writes the SDK's debug messages to its event log, and they contain inputs of
  // resources in plain text. So nothing of them is left, however this process ends.
  readonly #file = openUnnamed();

  /** Arguments for the CLI that enable the log. */
  get options(): string[] {
    return ["--event-log", `/proc/${process.pid}/fd/${this.#file}`];
  }

  /** Environment for the CLI, which is needed because the option is a hidden one. */
  readonly env = { PULUMI_DEBUG_COMMANDS: "true" };

  /** Texts of the errors so far, each once. */
  errors(): string[] {
    return errorsIn(readFileSync(`/proc/self/fd/${this.#file}`, "utf8"));
  }

  remove(): void {
    closeSync(this.#file);
  }
}

function openUnnamed(): number {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "disgrafs-events-"));
  try {
    return openSync(join(folder, "events"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Texts of the error diagnostics in a log, one JSON event per line; the last line may be incomplete. */
export function errorsIn(log: string): string[] {
  interface Event {
    readonly diagnosticEvent?: { readonly message: string; readonly severity: string };
  }
  const errors = log.split("\n").flatMap((line) => {
    let event: Event;
    try {
      event = JSON.parse(line) as Event;
    } catch {
      return [];
    }
    const diagnostic = event.diagnosticEvent;
    return diagnostic?.severity === "error" ? [diagnostic.message] : [];
  });
  return [...new Set(errors)];
}

/** A line for each kind of AWS failure in the error texts: its code and advice. */
export function advice(errors: readonly string[]): string[] {
  const failures = errors.map(awsFailure).filter((failure) => failure !== undefined);
  const byCode = new Map(failures.map((failure) => [failure.code, failure]));
  return [...byCode.values()].map(
    (failure) => `AWS says ${failure.code}. ${failure.advice} Then run the same command again.`,
  );
}
