/**
 * The engine's events of one `pulumi up` or `destroy`, written by the CLI itself while it has the terminal: what was an
 * error, and what to do about those of AWS. Nothing of it is kept: diagnostics can hold what a program printed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awsFailure } from "../stacks/aws/advice.ts";

export class EventLog {
  // mkdtemp makes a folder of mode 0700.
  readonly #folder = mkdtempSync(join(tmpdir(), "disgrafs-events-"));

  /** What the CLI's command line needs for it. */
  get options(): string[] {
    return ["--event-log", this.#file];
  }

  /** What the CLI's environment needs: the option is one of those that Pulumi shows to its own programs only. */
  readonly env = { PULUMI_DEBUG_COMMANDS: "true" };

  get #file(): string {
    return join(this.#folder, "events");
  }

  /** Texts of the errors so far, each once. */
  errors(): string[] {
    return existsSync(this.#file) ? errorsIn(readFileSync(this.#file, "utf8")) : [];
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Texts of the error diagnostics in a log, one JSON event a line; the last line may be half-written. */
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

/** A line for each kind of AWS failure in some error texts: its code and what to do. */
export function advice(errors: readonly string[]): string[] {
  const failures = errors.map(awsFailure).filter((failure) => failure !== undefined);
  const byCode = new Map(failures.map((failure) => [failure.code, failure]));
  return [...byCode.values()].map(
    (failure) => `AWS says ${failure.code}. ${failure.advice} Then run the same command again.`,
  );
}
