/**
 * Fetches the raw files of a run from the Ray head and analyses them on this computer. It can be repeated: new files are fetched
 * to a separate folder, which then replaces the old one. `stacks/collectResults.ts` is its main program.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { execa } from "execa";
import type { ClientChannel } from "ssh2";
import { z } from "zod";
import { readConnection } from "../plugins/command/ssh/connection.ts";
import { Pool } from "../plugins/command/ssh/pool.ts";
import { quote } from "../provisioning/shell.ts";
import { isDecided } from "./analyse.ts";
import { hostStateSchema } from "./host.ts";
import { metricsFile, metricsOf, metricsScript } from "./metrics.ts";
import type { LabFacts } from "./raw.ts";
import { resultsFolder, write, writeResults } from "./results.ts";
import type { Result } from "./run.ts";
import { kindOf, kinds, kindText } from "./words.ts";

export const requestSchema = z.strictObject({
  runId: z.string().regex(/^[a-z]+-[0-9a-f]{12}$/),
  connection: z.record(z.string(), z.json()),
  become: z.string(),
  stack: z.string(),
  /** Services behind the volume besides JuiceFS, with versions. */
  services: z.record(z.string(), z.string()),
  /** For a lab that costs money: its start time and USD an hour. */
  cost: z
    .strictObject({ created: z.string(), perHour: z.union([z.number(), z.literal("unknown")]) })
    .optional(),
  /** Address of Prometheus for the head, if the lab has monitoring. */
  prometheus: z.url().optional(),
  /** Load of this computer before the run, if the machines run on it. */
  host: hostStateSchema.optional(),
});
export type CollectRequest = z.infer<typeof requestSchema>;

/** The result for later steps and for the stack's outputs. */
export interface Collected {
  /** No more blocks are needed. */
  readonly decided: boolean;
  readonly results: readonly Result[];
}

/** Time limit for fetching the files. */
const minutes = 15;

/** @param lab facts of the lab at this moment, kept beside the raw files */
export async function collect(request: CollectRequest, lab: LabFacts): Promise<Collected> {
  const folder = join(resultsFolder, request.runId);
  const raw = join(folder, "raw");
  const fresh = join(folder, "raw.new");
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await fetchFiles(request, fresh);
  write(join(fresh, "lab.json"), JSON.stringify(lab));
  // At any time, even after a kill, a complete copy exists.
  const old = join(folder, "raw.old");
  rmSync(old, { recursive: true, force: true });
  if (existsSync(raw)) renameSync(raw, old);
  renameSync(fresh, raw);
  rmSync(old, { recursive: true, force: true });
  await keepMetrics(request, folder);
  const run = writeResults(folder);
  const counts = kinds.flatMap((kind) => {
    const count = run.results.filter((result) => kindOf(result) === kind).length;
    return count > 0 ? [`${count} ${kindText(kind, run)}`] : [];
  });
  process.stderr.write(`after ${run.look} blocks: ${counts.join(", ")}\n`);
  return { decided: isDecided(run), results: run.results };
}

/** Stores the metrics of the run next to its raw files. A run is complete without them, so a failure is only reported. */
async function keepMetrics(request: CollectRequest, folder: string): Promise<void> {
  const { prometheus } = request;
  if (prometheus === undefined) return;
  try {
    const seconds = (name: string, key: string): number | undefined => {
      const file = join(folder, "raw", name);
      if (!existsSync(file)) return undefined;
      return Date.parse((JSON.parse(readFileSync(file, "utf8")) as Record<string, string>)[key] ?? "") / 1000;
    };
    const [start, end = Date.now() / 1000] = [seconds("facts.json", "started"), seconds("end.json", "ended")];
    if (start === undefined) return;
    // A little before and after, for the range of rates.
    const window = { start: Math.floor(start) - 30, end: Math.ceil(end) + 10 };
    const printed = await onHead(request, "bash -s", async ({ channel }) => {
      channel.end(metricsScript(prometheus, window));
      return await text(channel);
    });
    write(join(folder, metricsFile), JSON.stringify(metricsOf(printed, window)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`the metrics of the run's time could not be kept: ${reason}\n`);
  }
}

/** Streams a tar of the run's folder from the head to a local folder. */
async function fetchFiles(request: CollectRequest, into: string): Promise<void> {
  const source = `/var/lib/disgrafs/benchmarks/${request.runId}`;
  const command = `tar --create --gzip --exclude=*.new --directory=${quote(source)} .`;
  await onHead(request, command, async ({ channel, signal }) => {
    await execa("tar", ["--extract", "--gzip", `--directory=${into}`], {
      input: channel,
      cancelSignal: signal,
    });
  });
}

/** Runs a command on the head as root and passes its output to `use`; throws if the command fails. */
async function onHead<T>(
  { connection, become }: CollectRequest,
  command: string,
  use: (running: { channel: ClientChannel; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const quiet = (): void => undefined;
  const log = {
    info: quiet,
    status: quiet,
    debug: quiet,
    warn: (line: string) => process.stderr.write(`${line}\n`),
  };
  const signal = AbortSignal.timeout(minutes * 60_000);
  const pool = new Pool();
  try {
    return await pool.use(readConnection(connection), { signal, log }, async (session) => {
      const { channel } = await session.exec(`${become}${command}`, {}, signal);
      const errors = text(channel.stderr);
      // "close" without an "exit" before it: the connection was lost.
      const status = new Promise<number | null>((resolve) =>
        channel.once("exit", resolve).once("close", () => resolve(null)),
      );
      const result = await use({ channel, signal });
      if ((await status) !== 0)
        throw new Error(`the files of the run could not be read on the head: ${await errors}`);
      return result;
    });
  } finally {
    pool.close();
  }
}
