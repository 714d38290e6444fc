/**
 * Fetches the raw files of a finished run from the Ray head and analyses them here. Run by the Benchmark component as
 * `node collect.ts`, with what it needs (a secret: how to log in) as JSON on standard input; prints the verdict table
 * as JSON. Safe to repeat: the files are fetched beside the old ones and take their place.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { execa } from "execa";
import { z } from "zod";
import { readConnection } from "../plugins/command/ssh/connection.ts";
import { Pool } from "../plugins/command/ssh/pool.ts";
import { quote } from "../provisioning/shell.ts";
import { usage } from "../stacks/aws/cost.ts";
import { checkoutState } from "../stacks/checkoutState.ts";
import { resultsFolder, summaryText, write, writeResults } from "./results.ts";

const requestSchema = z.strictObject({
  runId: z.string().regex(/^[a-z]+-[0-9a-f]{12}$/),
  connection: z.record(z.string(), z.json()),
  become: z.string(),
  stack: z.string(),
  /** What the volume is made of besides JuiceFS, with versions. */
  services: z.record(z.string(), z.string()),
  /** When a lab that is paid for began, and USD an hour. */
  cost: z
    .strictObject({ created: z.string(), perHour: z.union([z.number(), z.literal("unknown")]) })
    .optional(),
});

/** Longest time for the files to arrive. */
const minutes = 15;

const request = requestSchema.parse(JSON.parse(await text(process.stdin)));
const folder = join(resultsFolder, request.runId);
const raw = join(folder, "raw");
const fresh = join(folder, "raw.new");
rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });
await fetchFiles(request, fresh);
const used = request.cost && usage(request.cost.perHour, new Date(request.cost.created), new Date());
write(
  join(fresh, "lab.json"),
  JSON.stringify({
    stack: request.stack,
    services: request.services,
    usage: used ?? null,
    ...checkoutState(),
  }),
);
// Whenever this is killed, a whole copy is there.
const old = join(folder, "raw.old");
rmSync(old, { recursive: true, force: true });
if (existsSync(raw)) renameSync(raw, old);
renameSync(fresh, raw);
rmSync(old, { recursive: true, force: true });
const run = writeResults(folder);
process.stderr.write(`${summaryText(run)}\nreport: results/${request.runId}/report.html\n`);
process.stdout.write(JSON.stringify(run.results));

/** Stream a tar of the run's folder from the head into a local folder. */
async function fetchFiles(
  { runId, connection, become }: z.infer<typeof requestSchema>,
  into: string,
): Promise<void> {
  const quiet = (): void => undefined;
  const log = {
    info: quiet,
    status: quiet,
    debug: quiet,
    warn: (line: string) => process.stderr.write(`${line}\n`),
  };
  const signal = AbortSignal.timeout(minutes * 60_000);
  const pool = new Pool();
  const source = `/var/lib/disgrafs/benchmarks/${runId}`;
  const command = `${become}tar --create --gzip --exclude=*.new --directory=${quote(source)} .`;
  try {
    await pool.use(readConnection(connection), { signal, log }, async (session) => {
      const { channel } = await session.exec(command, {}, signal);
      const errors = text(channel.stderr);
      // "close" without an "exit" before it: the connection was lost.
      const status = new Promise<number | null>((resolve) =>
        channel.once("exit", resolve).once("close", () => resolve(null)),
      );
      await execa("tar", ["--extract", "--gzip", `--directory=${into}`], {
        input: channel,
        cancelSignal: signal,
      });
      if ((await status) !== 0)
        throw new Error(`the raw files could not be read on the head: ${await errors}`);
    });
  } finally {
    pool.close();
  }
}
