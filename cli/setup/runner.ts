/**
 * Runs set-up steps. A step checks whether its goal is reached, and how to reach it; the runner prints one line per step with the
 * time taken, shows progress, and checks again afterwards. The check of an interrupted step fails, so set-up can always be run
 * again.
 */
import { Problem } from "../problem.ts";

export interface Done {
  readonly done: true;
  /** Short description of the current state. */
  readonly detail: string;
}

export interface Missing {
  readonly done: false;
  /** Short description of what the step would do. */
  readonly plan: string;
}

export interface Step {
  readonly name: string;
  check(): Done | Missing | Promise<Done | Missing>;
  /** Runs first, with exclusive use of the terminal, for output and prompts. */
  prepare?(): Promise<void>;
  /** Performs the step; `progress` shows its progress. */
  run(progress: (text: string) => void): Promise<void>;
}

/** Output: a terminal shows a moving line, others get occasional lines. */
export interface Output {
  readonly moving: boolean;
  write(text: string): void;
}

const toStandardError: Output = {
  moving: process.stderr.isTTY && process.env.TERM !== "dumb",
  write: (text) => process.stderr.write(text),
};

export interface RunOptions {
  /** Only print what would be done. */
  readonly dryRun?: boolean;
  /** Print nothing about steps that are already done. */
  readonly quiet?: boolean;
  readonly output?: Output;
}

/** Runs the steps in order. The first failure ends the run with a Problem that names the step. */
export async function runSteps(steps: readonly Step[], options: RunOptions = {}): Promise<void> {
  const output = options.output ?? toStandardError;
  for (const step of steps) {
    const start = performance.now();
    const before = await step.check();
    if (before.done) {
      if (!options.quiet) output.write(line("ok", step.name, start, before.detail));
      continue;
    }
    if (options.dryRun) {
      output.write(line("would", step.name, undefined, before.plan));
      continue;
    }
    await step.prepare?.();
    const ticker = new Ticker(output, step.name, before.plan);
    try {
      await step.run((text) => ticker.show(text));
    } catch (error) {
      ticker.end();
      output.write(line("FAILED", step.name, start, before.plan));
      throw error instanceof Problem ? error : new Problem(`${step.name}: ${(error as Error).message}`);
    }
    ticker.end();
    const after = await step.check();
    if (!after.done) {
      output.write(line("FAILED", step.name, start, before.plan));
      throw new Problem(`${step.name}: finished without an error, but still missing: ${after.plan}`);
    }
    output.write(line("done", step.name, start, after.detail));
  }
}

function line(state: string, name: string, start: number | undefined, detail: string): string {
  const time = start === undefined ? "" : duration(performance.now() - start);
  return `${state.padEnd(6)} ${name.padEnd(20)} ${time.padStart(8)}  ${detail}\n`;
}

/** Formats a duration: `0.3 s`, `42 s`, `3 min 20 s`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const rounded = Math.round(seconds);
  return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}

const frames = ["|", "/", "-", "\\"];

/** The line that moves while a step runs: every 0.2 s on a terminal, else a plain line every 15 s. */
export class Ticker {
  readonly #output: Output;
  readonly #name: string;
  readonly #start = performance.now();
  readonly #timer: NodeJS.Timeout;
  #text: string;
  #frame = 0;

  constructor(output: Output, name: string, text: string) {
    this.#output = output;
    this.#name = name;
    this.#text = text;
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), output.moving ? 200 : 15_000);
  }

  /** Sets the step's progress text. Only its last line is shown. */
  show(text: string): void {
    const last = text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1)
      ?.trim();
    if (last) this.#text = last;
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#output.moving) this.#output.write("\r\x1b[K");
  }

  #draw(): void {
    const time = duration(performance.now() - this.#start);
    const frame = this.#output.moving ? (frames[this.#frame++ % frames.length] ?? "") : "...";
    const text = `${frame.padEnd(6)} ${this.#name.padEnd(20)} ${time.padStart(8)}  ${this.#text}`;
    if (!this.#output.moving) this.#output.write(`${text.slice(0, 120)}\n`);
    else this.#output.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
  }
}
