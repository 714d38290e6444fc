/** The sessions of this process, one for each connection: opened at first use, reopened if lost, closed at the end. */
import { setTimeout as sleep } from "node:timers/promises";
import { abortReason, Cancelled, ConnectionLost, message } from "../errors.ts";
import type { Log } from "../operation.ts";
import { address, connectionId, type Connection } from "./connection.ts";
import { Attempts, budgetOf, dialTcp, firstBanner, NotReady, type Dial } from "./gate.ts";
import { handshake } from "./handshake.ts";
import { LoginRefused } from "./login.ts";
import { Session } from "./session.ts";

/** Time limit in milliseconds of the first handshake, and the maximum for later ones. */
const firstHandshake = 20_000;
const longestHandshake = 60_000;
/**
 * Milliseconds between attempts after a refused login on a machine that was seen to come up: its sshd may run before cloud-init
 * has written the keys. Only a few, because OpenSSH 9.8 and later block an address for a while after several failures.
 */
const defaultLoginRetries = [1000, 2000, 4000, 8000, 15_000];
/** A machine that is up sends its banner in this many milliseconds. */
const promptBanner = 1000;
/**
 * Milliseconds before the next attempt if the server answered but the handshake failed. Each pause is longer by half than the
 * previous one.
 */
const firstPause = 250;
const longestPause = 10_000;
/** Maximum number of failed handshakes before the error is final. */
const mostHandshakes = 30;
/** Milliseconds before the first message that we are still waiting for a machine, and between two such messages. */
const waitNotice = 10_000;
/** Maximum number of times that a command moves to a new session because the old one was dead before it started. */
const mostRestarts = 3;

interface Opening {
  readonly session: Promise<Session>;
  /** Number of operations that wait for it; if all have left, opening it is aborted. */
  waiting: number;
  readonly abort: AbortController;
}

export class Pool {
  readonly #sessions = new Map<string, Session>();
  readonly #opening = new Map<string, Opening>();
  readonly #warned = new Set<string>();
  readonly #loginRetries: readonly number[];

  /** `loginRetries` are the milliseconds between attempts after a refused login. */
  constructor(loginRetries: readonly number[] = defaultLoginRetries) {
    this.#loginRetries = loginRetries;
  }

  /**
   * Does something on a session with the machine. `use` must reject with ConnectionLost when the session breaks, and
   * is called again only if nothing was started by then.
   */
  async use<T>(
    connection: Connection,
    { signal, log, deleting }: { signal: AbortSignal; log: Log; deleting?: boolean },
    use: (session: Session) => Promise<T>,
  ): Promise<T> {
    for (let restarts = 0; ; restarts++) {
      const session = await this.#session(connection, log, deleting ?? false, signal);
      try {
        return await use(session);
      } catch (error) {
        const again = error instanceof ConnectionLost && !error.started && restarts < mostRestarts;
        if (!again || signal.aborted) throw error;
        session.close(); // A closed one is replaced at its next use.
      }
    }
  }

  close(): void {
    for (const opening of this.#opening.values()) opening.abort.abort(new Cancelled());
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }

  async #session(connection: Connection, log: Log, deleting: boolean, signal: AbortSignal): Promise<Session> {
    const id = connectionId(connection);
    const session = this.#sessions.get(id);
    if (session && !session.closed) return session;
    if (signal.aborted) throw abortReason(signal);
    let opening = this.#opening.get(id);
    if (!opening) {
      const abort = new AbortController();
      const opened = { session: this.#connect(connection, log, deleting, abort.signal), waiting: 0, abort };
      opening = opened;
      this.#opening.set(id, opening);
      opening.session
        .then((session) => this.#sessions.set(id, session))
        .catch(() => undefined)
        .finally(() => {
          this.#forget(id, opened);
        });
    }
    return await this.#join(id, opening, signal);
  }

  /** Waits for a session that is being opened; the last one to turn away stops the opening. */
  async #join(id: string, opening: Opening, signal: AbortSignal): Promise<Session> {
    opening.waiting++;
    let leave: (() => void) | undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(abortReason(signal));
      signal.addEventListener("abort", leave, { once: true });
    });
    try {
      return await Promise.race([opening.session, left]);
    } finally {
      if (leave) signal.removeEventListener("abort", leave);
      opening.waiting--;
      if (opening.waiting === 0 && signal.aborted) {
        this.#forget(id, opening); // Whoever comes now begins anew.
        opening.abort.abort(abortReason(signal));
      }
    }
  }

  #forget(id: string, opening: Opening): void {
    if (this.#opening.get(id) === opening) this.#opening.delete(id);
  }

  async #connect(connection: Connection, log: Log, deleting: boolean, signal: AbortSignal): Promise<Session> {
    this.#warnAboutHostKey(connection, log);
    const { proxy } = connection;
    const dial: Dial = proxy
      ? this.#dialThrough(proxy, connection, log, deleting, signal)
      : dialTcp(connection);
    // The proxy has a deadline of its own.
    if (proxy) await this.#session(proxy, log, deleting, signal);
    const attempts = new Attempts(address(connection), budgetOf(connection.dialErrorLimit, deleting));
    const notice = setInterval(() => log.status(attempts.toString()), waitNotice);
    try {
      return await login(connection, dial, attempts, this.#loginRetries, signal);
    } finally {
      clearInterval(notice);
    }
  }

  #dialThrough(proxy: Connection, to: Connection, log: Log, deleting: boolean, signal: AbortSignal): Dial {
    return async (attempt) => {
      const session = await this.#session(proxy, log, deleting, signal);
      const stream = await session.forward(to.host, to.port).catch((error: unknown) => {
        throw new NotReady(`through the proxy ${address(proxy)}: ${message(error)}`);
      });
      if (attempt.aborted) {
        stream.destroy();
        throw abortReason(attempt);
      }
      return stream;
    };
  }

  #warnAboutHostKey(connection: Connection, log: Log): void {
    const id = connectionId(connection);
    if (connection.hostKey || this.#warned.has(id)) return;
    this.#warned.add(id);
    log.warn(
      `connection.hostKey is not given for ${address(connection)}: whoever answers there is trusted, and gets the ` +
        "commands and their standard input. Give the line that `ssh-keyscan` prints for the machine, once checked",
    );
  }
}

/** Logs in as soon as the machine lets us; gives up at once where it never will. */
async function login(
  connection: Connection,
  dial: Dial,
  attempts: Attempts,
  loginRetries: readonly number[],
  signal: AbortSignal,
): Promise<Session> {
  const started = Date.now();
  let milliseconds = firstHandshake;
  let comesUp: boolean | undefined;
  let refusals = 0;
  let pause = firstPause;
  for (let failures = 1; ; failures++) {
    const stream = await firstBanner(dial, connection.perDialTimeout, attempts, signal);
    comesUp ??= attempts.failures > 0 || Date.now() - started > promptBanner;
    try {
      return new Session(await handshake(stream, connection, milliseconds, signal), stream);
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      if (error instanceof LoginRefused) {
        // The keys of a machine that was up already are not written any more.
        const delay = comesUp && error.mayChange ? loginRetries[refusals++] : undefined;
        if (delay === undefined) throw error;
        await wait(delay, signal);
      } else if (error instanceof NotReady) {
        const last = attempts.failed(error) ?? (failures >= mostHandshakes ? attempts.end() : undefined);
        if (last) throw last;
        milliseconds = Math.min(milliseconds * 1.5, longestHandshake);
        await wait(pause, signal);
        pause = Math.min(pause * 1.5, longestPause);
      } else throw error;
    }
  }
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {
    throw abortReason(signal);
  });
}
