/**
 * The errors that can end an operation, with messages for the user of `pulumi up`. No message contains a command's text, its
 * standard input or a credential.
 */

/** An error whose message can be shown to the user unchanged. */
export class StepError extends Error {
  override readonly name: string = "StepError";
}

/** The operation ran longer than its `customTimeouts` allow. */
export class TimedOut extends StepError {
  override readonly name = "TimedOut";
  constructor(seconds: number) {
    super(`not finished after ${seconds} s, the limit that customTimeouts sets for it`);
  }
}

/** The engine asked for everything to stop (Ctrl-C), or it is gone itself. */
export class Cancelled extends StepError {
  override readonly name = "Cancelled";
  constructor() {
    super("cancelled");
  }
}

/** The connection ended. `started` tells whether the command may have run. */
export class ConnectionLost extends StepError {
  override readonly name = "ConnectionLost";
  readonly started: boolean;
  constructor(message: string, started: boolean) {
    super(message);
    this.started = started;
  }
}

/** How a process ended: a status, or the signal that ended it. */
export interface Exit {
  readonly status?: number;
  readonly signal?: string;
}

/** The error for a failed process, with the end of its output. */
export function processFailed(exit: Exit, tail: string): StepError {
  const how = exit.signal ? `ended by signal ${exit.signal}` : `exit status ${exit.status}`;
  return new StepError(
    tail === "" ? `${how}; it printed nothing` : `${how}; the last lines that it printed:\n${tail}`,
  );
}

/** The reason why a signal was aborted, as an Error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Cancelled();
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
