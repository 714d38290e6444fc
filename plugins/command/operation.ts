/** The context of an operation on a resource: the resource, the deadline, and the log. */
import type { EngineLog } from "./engineLog.ts";
import { Cancelled, TimedOut } from "./errors.ts";

export interface Operation {
  readonly urn: string;
  /** Aborted by a timeout, by Ctrl-C or by the engine's end; its reason says which. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Messages about one resource. */
export interface Log {
  readonly info: (text: string) => void;
  /** Shown only while the operation runs. */
  readonly status: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly debug: (text: string) => void;
}

export function logFor(engine: EngineLog, urn: string): Log {
  return {
    info: (text) => engine.write("info", urn, text),
    status: (text) => engine.write("info", urn, text, true),
    warn: (text) => engine.write("warning", urn, text),
    debug: (text) => engine.write("debug", urn, text),
  };
}

/** All running operations, so that one call can end them. */
export class Operations {
  readonly #running = new Map<AbortController, Promise<unknown>>();
  #cancelled = false;

  /** Runs `work` with a signal that is aborted after `seconds` (0: never), and by `cancel`. */
  async run<T>(seconds: number, work: (signal: AbortSignal, abort: () => void) => Promise<T>): Promise<T> {
    if (this.#cancelled) throw new Cancelled();
    const controller = new AbortController();
    const abort = (): void => controller.abort(new Cancelled());
    const timer =
      seconds > 0 ? setTimeout(() => controller.abort(new TimedOut(seconds)), seconds * 1000) : undefined;
    const running = work(controller.signal, abort);
    this.#running.set(controller, running);
    try {
      return await running;
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Ends all operations and refuses new ones. Resolves when all have ended. */
  async cancel(): Promise<void> {
    this.#cancelled = true;
    for (const controller of this.#running.keys()) controller.abort(new Cancelled());
    await Promise.allSettled(this.#running.values());
  }
}
