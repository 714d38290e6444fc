/**
 * First contact with a machine that may still be booting. An accepted connection proves nothing (QEMU's user network accepts
 * before there is a guest), so a machine is up when it has sent an SSH banner and completed the handshake. Until then, new TCP
 * connections are tried, up to a total deadline.
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { abortReason, message, StepError } from "../errors.ts";
import { defaults, type Connection } from "./connection.ts";

/**
 * Milliseconds between attempts that failed immediately. Each pause is a twentieth longer than the previous one, so a machine
 * that comes up is found within a twentieth of the time spent waiting for it.
 */
const firstRetry = 250;
const longestRetry = 2000;
/**
 * Milliseconds of silence after which another connection is tried in parallel: the first ones to a booting guest may have lost
 * their packets, and would retransmit later than a new connection succeeds. It grows, so that a slow server gets enough time.
 */
const firstSilence = 1000;
const longestSilence = 3000;
const mostAtOnce = 5;
/** Time limit in milliseconds of the first contact with the default `dialErrorLimit`. */
const defaultBudget = 300_000;
/** The same for a `delete`: its machine was up once, and a dead one must not delay a destroy. */
const deleteBudget = 30_000;

/** A failed attempt after which another one may succeed. */
export class NotReady extends StepError {
  override readonly name = "NotReady";
}

export interface Budget {
  /** Milliseconds after which no further attempt is made. */
  readonly milliseconds: number;
  /** Minimum number of attempts. */
  readonly attempts: number;
  /** Maximum number of attempts, however much time is left. */
  readonly most: number;
}

/** Maximum number of attempts with the default `dialErrorLimit`. */
const mostAttempts = 200;

/**
 * The time limit for waiting for a machine. In the published plugin, `dialErrorLimit` counts failed attempts, with a pause of
 * 0.1 s that grows by half each time, to at most 5 s. Attempts are more frequent here, so the limit is converted to the
 * corresponding time. The schema's default of 10 (11 s in the published plugin) means 5 minutes here, and so do all limits that
 * correspond to a time between 11 s and 5 minutes.
 */
export function budgetOf(dialErrorLimit: number, deleting = false): Budget {
  if (dialErrorLimit < 0) return { milliseconds: Infinity, attempts: Infinity, most: Infinity };
  if (deleting && dialErrorLimit === defaults.dialErrorLimit)
    return { milliseconds: deleteBudget, attempts: 1, most: mostAttempts };
  let total = 0;
  for (let count = 0; count < dialErrorLimit; count++) total += Math.min(100 * 1.5 ** count, 5000);
  return {
    milliseconds: dialErrorLimit >= defaults.dialErrorLimit ? Math.max(defaultBudget, total) : total,
    attempts: dialErrorLimit + 1,
    most: Math.max(mostAttempts, dialErrorLimit + 1),
  };
}

/** Opens a byte stream to the machine, until the signal is aborted. */
export type Dial = (signal: AbortSignal) => Promise<Duplex>;

/** Dials by TCP. */
export function dialTcp(connection: Connection): Dial {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ host: connection.host, port: connection.port, noDelay: true });
      const stop = (): void => {
        socket.destroy();
        reject(abortReason(signal));
      };
      signal.addEventListener("abort", stop, { once: true });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        signal.removeEventListener("abort", stop);
        reject(new NotReady(dialError(error)));
      });
      socket.once("connect", () => {
        signal.removeEventListener("abort", stop);
        resolve(socket);
      });
      if (signal.aborted) stop();
    });
}

function dialError(error: NodeJS.ErrnoException): string {
  const words: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EHOSTUNREACH: "no route to the host",
    ENETUNREACH: "no route to the network",
    ETIMEDOUT: "no answer",
    ENOTFOUND: "the host name is not known",
    EAI_AGAIN: "the host name could not be looked up",
  };
  return words[error.code ?? ""] ?? error.code ?? error.message;
}

/** Counts failed attempts, and says when to give up. */
export class Attempts {
  readonly #where: string;
  readonly #budget: Budget;
  readonly #started = Date.now();
  #failures = 0;
  #last = "no answer";

  constructor(where: string, budget: Budget) {
    this.#where = where;
    this.#budget = budget;
  }

  /** Attempts that have failed so far. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failed attempt. Returns the final error if it was the last attempt that the budget allows. */
  failed(error: unknown): StepError | undefined {
    this.#failures++;
    this.#last = message(error);
    const early =
      this.#failures < this.#budget.attempts || Date.now() - this.#started < this.#budget.milliseconds;
    return early && this.#failures < this.#budget.most ? undefined : this.end();
  }

  /** The error after the last attempt. */
  end(): StepError {
    return new StepError(
      `no SSH session with ${this.#where} in ${this.#seconds()} s and ${this.#failures} attempts; the last one: ` +
        `${this.#last}. Is the machine up, is sshd running, and is the port right? ` +
        "connection.dialErrorLimit sets how long it is tried (-1: until the operation's timeout)",
    );
  }

  /** Text for the line that says what is being waited for. */
  toString(): string {
    return `waiting for SSH on ${this.#where} (${this.#seconds()} s so far): ${this.#last}`;
  }

  #seconds(): number {
    return Math.round((Date.now() - this.#started) / 1000);
  }
}

/** A stream on which an SSH server has sent its banner, which has not been consumed. */
export function firstBanner(
  dial: Dial,
  perDialTimeout: number,
  attempts: Attempts,
  signal: AbortSignal,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const running = new Set<AbortController>();
    let silence = firstSilence;
    let retry = firstRetry;
    let next: NodeJS.Timeout | undefined;
    let done = false;

    const finish = (outcome: () => void): void => {
      done = true;
      clearTimeout(next);
      signal.removeEventListener("abort", stop);
      for (const attempt of running) attempt.abort();
      outcome();
    };
    const stop = (): void => finish(() => reject(abortReason(signal)));
    const failed = (error: unknown): void => {
      if (done) return;
      const last = attempts.failed(error);
      if (last) finish(() => reject(last));
    };
    const startIn = (milliseconds: number): void => {
      clearTimeout(next);
      if (!done) next = setTimeout(start, milliseconds);
    };
    const start = (): void => {
      const [oldest] = running;
      if (oldest && running.size >= mostAtOnce) {
        running.delete(oldest);
        oldest.abort();
        failed(new NotReady("it accepts connections, but no SSH banner comes"));
        if (done) return;
      }
      const own = new AbortController();
      running.add(own);
      banner(dial, perDialTimeout, own.signal).then(
        (stream) => {
          if (done || own.signal.aborted) stream.destroy();
          else finish(() => resolve(stream));
        },
        (error: unknown) => {
          if (!running.delete(own) || own.signal.aborted) return;
          failed(error);
          startIn(retry);
          retry = Math.min(retry * 1.05, longestRetry);
        },
      );
      startIn(silence);
      silence = Math.min(silence * 1.25, longestSilence);
    };
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    else start();
  });
}

/** One attempt: dials and waits for the banner, without consuming it. */
async function banner(dial: Dial, perDialTimeout: number, signal: AbortSignal): Promise<Duplex> {
  const late = new AbortController();
  const timer =
    perDialTimeout > 0
      ? setTimeout(
          () => late.abort(new NotReady(`no SSH banner in ${perDialTimeout} s (connection.perDialTimeout)`)),
          perDialTimeout * 1000,
        )
      : undefined;
  const either = AbortSignal.any([signal, late.signal]);
  try {
    const stream = await dial(either);
    return await new Promise<Duplex>((resolve, reject) => {
      const end = (outcome: () => void): void => {
        stream.removeListener("readable", read);
        stream.removeListener("close", closed);
        either.removeEventListener("abort", stop);
        outcome();
      };
      const fail = (error: Error): void =>
        end(() => {
          stream.destroy();
          reject(error);
        });
      const read = (): void => {
        const chunk = stream.read() as Buffer | null;
        if (!chunk) return;
        // RFC 4253, 4.2: the server may send other lines before its version.
        const text = chunk.toString("latin1");
        if (!/(^|\n)SSH-/.test(text) && !"SSH-".startsWith(text)) {
          fail(
            new NotReady(`something else than an SSH server answers: ${JSON.stringify(text.slice(0, 40))}`),
          );
          return;
        }
        end(() => {
          stream.unshift(chunk);
          resolve(stream);
        });
      };
      const closed = (): void => fail(new NotReady("the connection was closed before an SSH banner came"));
      const stop = (): void => fail(abortReason(either));
      stream.on("readable", read);
      stream.on("close", closed);
      stream.on("error", () => undefined); // "close" follows.
      either.addEventListener("abort", stop);
      if (either.aborted) stop();
    });
  } finally {
    clearTimeout(timer);
  }
}
