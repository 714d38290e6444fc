/**
 * One SSH connection shared by many operations. The number of channels stays below sshd's MaxSessions; further operations wait in
 * a queue. The processes of channels can be ended.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Client, ClientChannel, SFTPWrapper } from "ssh2";
import { abortReason, ConnectionLost, message, StepError, type Exit } from "../errors.ts";
import { killCommand, listCommand, match, parseChildren, parseLeft } from "./kill.ts";

/** Maximum number of concurrent channels. sshd's MaxSessions is 10 by default; two stay free for ending processes. */
const mostChannels = 8;
/**
 * Time limit in milliseconds for a server to open a channel; after it, the connection counts as dead, and everything that runs on
 * it as lost. Longer than for unanswered keepalives, because an overloaded machine starts a shell slowly but is not dead.
 */
const openTimeout = 90_000;
/** Time limit in milliseconds for ending processes. */
const killTimeout = 30_000;
/** Number of attempts to list the remote processes before they count as unknown. */
const mostLooks = 20;

/** A channel with its position in the order of requests; its process has the same position. */
interface Place {
  readonly order: number;
}

/** A command that runs on the remote machine. */
export interface RemoteProcess {
  readonly channel: ClientChannel;
  /** How it ended, once it has; `undefined` on a channel that closes without that. */
  readonly exit: () => Exit | undefined;
  /** Ends the process and its children. Resolves to the processes known to be left; rejects if that is unknown. */
  readonly kill: () => Promise<number[]>;
}

interface Kill {
  readonly place: Place;
  readonly resolve: (left: number[]) => void;
  readonly reject: (error: Error) => void;
}

export class Session {
  readonly #client: Client;
  readonly #stream: Duplex;
  readonly #queue: (() => void)[] = [];
  /** Channels whose process has not ended, oldest first. */
  readonly #live = new Set<Place>();
  readonly #lost = new AbortController();
  #limit = mostChannels;
  #open = 0;
  #order = 0;
  #kills: Kill[] = [];
  #killing = false;
  #why = "the machine closed it";

  constructor(client: Client, stream: Duplex) {
    this.#client = client;
    this.#stream = stream;
    // "close" follows.
    client.on("error", (error) => {
      this.#why = message(error);
    });
    client.on("close", () => {
      this.#lost.abort();
      for (const wake of this.#queue.splice(0)) wake();
    });
  }

  /** Why the connection was lost, once it is. */
  get why(): string {
    return this.#why;
  }

  get closed(): boolean {
    return this.#lost.signal.aborted;
  }

  /** Closes the connection, and with it every channel. */
  close(): void {
    this.#client.end();
    this.#client.destroy();
  }

  /** Starts a command. Waits for a free channel, but not for the command. */
  async exec(
    command: string,
    environment: Record<string, string>,
    signal: AbortSignal,
  ): Promise<RemoteProcess> {
    const { channel, place, exit } = await this.#queued(signal, () => this.#exec(command, environment));
    return { channel, exit, kill: () => this.#kill(place) };
  }

  /** Runs one of our own short commands to its end, and returns its output. */
  async ask(
    command: string,
    stdin: string,
    environment: Record<string, string>,
    signal: AbortSignal,
  ): Promise<string> {
    const { channel } = await this.#queued(signal, () => this.#exec(command, environment));
    return await collect(channel, stdin, signal);
  }

  /** Opens SFTP on a separate channel; `end()` releases the channel. */
  async sftp(signal: AbortSignal): Promise<SFTPWrapper> {
    return await this.#queued(signal, async () => {
      const place = this.#place();
      try {
        const sftp = await this.#ask<SFTPWrapper>((callback) => this.#client.sftp(callback));
        sftp.on("close", () => this.#live.delete(place));
        sftp.on("error", () => undefined);
        return { channel: sftp, place };
      } catch (error) {
        this.#live.delete(place);
        throw error;
      }
    }).then(({ channel }) => channel);
  }

  /** Opens a TCP connection from the remote machine. */
  forward(host: string, port: number): Promise<Duplex> {
    return this.#ask<ClientChannel>((callback) =>
      this.#client.forwardOut("127.0.0.1", 0, host, port, callback),
    );
  }

  #place(): Place {
    const place = { order: this.#order++ };
    this.#live.add(place);
    return place;
  }

  async #exec(
    command: string,
    env: Record<string, string>,
  ): Promise<{ channel: ClientChannel; place: Place; exit: () => Exit | undefined }> {
    const place = this.#place();
    let exit: Exit | undefined;
    try {
      const channel = await this.#ask<ClientChannel>((callback) =>
        this.#client.exec(command, { env }, (error, channel: ClientChannel | undefined) => {
          // At once: a busy process reads the answer and the end of a short command together, and ssh2 tells of both
          // before any promise goes on.
          channel?.on("exit", (status: number | null, name?: string) => {
            exit = status === null ? { signal: name ?? "unknown" } : { status };
            this.#live.delete(place);
          });
          callback(error, channel as ClientChannel);
        }),
      );
      channel.on("close", () => this.#live.delete(place));
      return { channel, place, exit: () => exit };
    } catch (error) {
      this.#live.delete(place);
      throw error;
    }
  }

  /** Opens a channel when one is free, and releases it when it closes. */
  async #queued<T extends { channel: { on(event: "close", listener: () => void): unknown } }>(
    signal: AbortSignal,
    open: () => Promise<T>,
  ): Promise<T> {
    for (;;) {
      await this.#takeTurn(signal);
      try {
        const opened = await open();
        opened.channel.on("close", () => {
          this.#release();
        });
        return opened;
      } catch (error) {
        this.#release();
        // The server allows fewer channels than expected: stay one below its limit, and wait.
        if (!(error instanceof ChannelRefused) || this.#open === 0) throw error;
        this.#limit = Math.max(1, Math.min(this.#limit, this.#open - 1));
      }
    }
  }

  /** Waits until a channel may be opened, and counts it as open. */
  async #takeTurn(signal: AbortSignal): Promise<void> {
    while (this.#open >= this.#limit && !this.closed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve);
        signal.addEventListener(
          "abort",
          () => {
            resolve();
          },
          { once: true },
        );
      });
    }
    if (signal.aborted) {
      this.#queue.shift()?.(); // In case it was our turn.
      throw abortReason(signal);
    }
    if (this.closed)
      throw new ConnectionLost("the SSH connection was lost before the command was started", false);
    this.#open++;
  }

  #release(): void {
    this.#open--;
    this.#queue.shift()?.();
  }

  /** Asks the server for a channel; the connection may break or fall silent meanwhile. */
  #ask<T>(request: (callback: (error: Error | undefined, channel: T) => void) => void): Promise<T> {
    const received = this.#received();
    const lost = (): ConnectionLost => {
      // The command is sent after the server has confirmed the channel, so without an answer nothing was started.
      const started = received === undefined || this.#received() !== received;
      return new ConnectionLost("the SSH connection was lost while a command was being started", started);
    };
    return new Promise((resolve, reject) => {
      const closed = (): void => end(() => reject(lost()));
      const timer = setTimeout(() => {
        this.#why = `no channel was opened in ${openTimeout / 1000} s`;
        this.close();
      }, openTimeout);
      const end = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#lost.signal.removeEventListener("abort", closed);
        outcome();
      };
      if (this.closed) {
        end(() =>
          reject(new ConnectionLost("the SSH connection was lost before the command was started", false)),
        );
        return;
      }
      this.#lost.signal.addEventListener("abort", closed);
      try {
        request((error, channel) => {
          if (!error) end(() => resolve(channel));
          else if (this.closed) closed();
          else if (/open failure/i.test(error.message)) end(() => reject(new ChannelRefused(error.message)));
          else end(() => reject(new StepError(`the SSH server refused to start it: ${error.message}`)));
        });
      } catch (error) {
        end(() => reject(new ConnectionLost(message(error), false)));
      }
    });
  }

  #received(): number | undefined {
    return this.#stream instanceof Socket ? this.#stream.bytesRead : undefined;
  }

  #kill(place: Place): Promise<number[]> {
    return new Promise((resolve, reject) => {
      this.#kills.push({ place, resolve, reject });
      if (!this.#killing) void this.#endProcesses();
    });
  }

  /** Ends the processes of all channels that are waiting for it, together. */
  async #endProcesses(): Promise<void> {
    this.#killing = true;
    await Promise.resolve(); // Ctrl-C ends many at once.
    for (let kills = this.#kills.splice(0); kills.length > 0; kills = this.#kills.splice(0)) {
      try {
        const left = await this.#endTrees(
          kills.map((kill) => kill.place),
          AbortSignal.timeout(killTimeout),
        );
        for (const kill of kills) kill.resolve(left);
      } catch (error) {
        for (const kill of kills) kill.reject(error as Error);
      }
    }
    this.#killing = false;
  }

  async #endTrees(places: readonly Place[], signal: AbortSignal): Promise<number[]> {
    for (let look = 0; look < mostLooks && !signal.aborted; look++) {
      const looking = await this.#exec(listCommand, {});
      const earlier = (): Place[] => [...this.#live].filter((place) => place.order < looking.place.order);
      const found = parseChildren(await collect(looking.channel, "", signal));
      if (!found) break; // No /proc, no sh.
      const live = earlier();
      const wanted = places.map((place) => live.indexOf(place)).filter((at) => at >= 0);
      if (wanted.length === 0) return []; // All have already ended.
      const roots = match(found, live.length, wanted);
      if (roots) {
        const killer = await this.#exec(killCommand(roots), {});
        const left = parseLeft(await collect(killer.channel, "", signal));
        if (left) return left;
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new StepError("the processes on the machine could not be looked at");
  }
}

/** The server refuses to open another channel. */
class ChannelRefused extends StepError {
  override readonly name = "ChannelRefused";
  constructor(reason: string) {
    super(`the SSH server opens no channel (${reason.replace(/^\(SSH\) /, "")})`);
  }
}

/** The standard output of one of our own commands. */
function collect(channel: ClientChannel, stdin: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const stop = (): void => {
      channel.close();
      reject(abortReason(signal));
    };
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.stderr.resume();
    channel.on("close", () => {
      signal.removeEventListener("abort", stop);
      resolve(Buffer.concat(chunks).toString("utf8"));
    });
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    else channel.end(stdin);
  });
}
