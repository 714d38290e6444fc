/**
 * The output of a process: stored completely for the outputs, passed to the log line by line as it arrives, with its end kept for
 * an error. Lines may have any length, and the process never waits.
 */
import { StringDecoder } from "node:string_decoder";
import { StepError } from "./errors.ts";
import type { Redactor } from "./redact.ts";

export type Stream = "stdout" | "stderr";
/** Which streams go to the log, in the words of the published schema. */
export const loggings = ["stdout", "stderr", "stdoutAndStderr", "none"] as const;
export type Logging = (typeof loggings)[number];

/** Maximum size in bytes of one stream in the state. A step that prints more should write to a file. */
const largestStream = 128 * 1024 * 1024;
/** A longer line is logged in pieces of this many characters. */
const longestPiece = 16 * 1024;
/** Amount of output, from its end, that an error shows. */
const tailBytes = 16 * 1024;
const tailLines = 20;
const tailLineLength = 500;

export class Output {
  readonly #redactor: Redactor;
  readonly #chunks: Record<Stream, Buffer[]> = { stdout: [], stderr: [] };
  readonly #size: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #logs: Partial<Record<Stream, LineLog>>;
  #tail: Buffer[] = [];
  #tailSize = 0;

  constructor(logging: Logging, redactor: Redactor, log: (text: string) => void) {
    this.#redactor = redactor;
    this.#logs = {
      stdout: logging.startsWith("stdout") ? new LineLog(redactor, log) : undefined,
      stderr: logging === "stderr" || logging === "stdoutAndStderr" ? new LineLog(redactor, log) : undefined,
    };
  }

  write(stream: Stream, chunk: Buffer): void {
    this.#size[stream] += chunk.length;
    if (this.#size[stream] <= largestStream) this.#chunks[stream].push(chunk);
    this.#logs[stream]?.write(chunk);
    this.#tail.push(chunk);
    this.#tailSize += chunk.length;
    if (this.#tailSize > 2 * tailBytes) {
      this.#tail = [Buffer.concat(this.#tail).subarray(-tailBytes)];
      this.#tailSize = tailBytes;
    }
  }

  /** Logs the rest of the last line. */
  end(): void {
    this.#logs.stdout?.end();
    this.#logs.stderr?.end();
  }

  /** A stream as text, without one newline at its end. */
  text(stream: Stream): string {
    if (this.#size[stream] > largestStream) {
      throw new StepError(
        `it succeeded but printed ${this.#size[stream]} bytes to ${stream}; a state holds at most ` +
          `${largestStream}: let it write to a file`,
      );
    }
    return Buffer.concat(this.#chunks[stream]).toString("utf8").replace(/\n$/, "");
  }

  /** The last lines of both streams, in the order in which they came, without secrets. */
  tail(): string {
    const text = this.#redactor.redact(Buffer.concat(this.#tail).toString("utf8"));
    const lines = text.trimEnd().split("\n").slice(-tailLines);
    return lines
      .map((line) => (line.length > tailLineLength ? `…${line.slice(-tailLineLength)}` : line))
      .join("\n");
  }
}

/** Cuts a stream of bytes into lines for the log. */
class LineLog {
  readonly #redactor: Redactor;
  readonly #log: (text: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #pending = "";

  constructor(redactor: Redactor, log: (text: string) => void) {
    this.#redactor = redactor;
    this.#log = log;
  }

  write(chunk: Buffer): void {
    this.#pending += this.#decoder.write(chunk);
    const end = this.#pending.lastIndexOf("\n");
    if (end >= 0) {
      this.#send(this.#pending.slice(0, end));
      this.#pending = this.#pending.slice(end + 1);
    }
    // A cut must not let parts of a secret through, so as much as the longest secret is held back, unless a match starts before it.
    const hold = Math.max(this.#redactor.longest - 1, 0);
    if (this.#pending.length < longestPiece + hold) return;
    const clean = this.#redactor.redact(this.#pending);
    const cut = clean.length - hold;
    this.#send(clean.slice(0, cut));
    this.#pending = clean.slice(cut);
  }

  end(): void {
    this.#pending += this.#decoder.end();
    if (this.#pending !== "") this.#send(this.#pending);
    this.#pending = "";
  }

  #send(text: string): void {
    const clean = this.#redactor.redact(text);
    for (let at = 0; at < Math.max(clean.length, 1);) {
      const newline = clean.lastIndexOf("\n", at + longestPiece);
      const end =
        clean.length - at <= longestPiece ? clean.length : newline > at ? newline : at + longestPiece;
      this.#log(clean.slice(at, end));
      at = clean[end] === "\n" ? end + 1 : end;
      if (at >= clean.length) break;
    }
  }
}
