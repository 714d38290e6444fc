/** Asks a node for its state: one ssh, one script (probe.sh), one line of JSON. */
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { z } from "zod";
import { quote } from "../../provisioning/shell.ts";
import { clockOff } from "./clock.ts";

const answer = z.boolean().nullable();
const unit = z.object({ unit: z.string(), active: z.string(), sub: z.string() });

export const reportSchema = z.object({
  /** Seconds since 1970, by the node's clock. */
  clock: z.number(),
  load: z.number(),
  cpus: z.number(),
  /** From 0 to 1. */
  memoryUsed: z.number().nullable(),
  disk: z.object({
    free: z.number(),
    size: z.number(),
    /** Requests that failed since the machine booted, by the kernel's log. */
    errors: z.number(),
    /** Whether the root file system can be written; a failed write of its journal makes it read-only. */
    writable: z.boolean(),
  }),
  /** Those of the requested units that systemd knows. */
  units: z.array(unit),
  /** Whether each answered this node; null if it was not asked. */
  answers: z.object({ mount: answer, redis: answer, objects: answer, api: answer, graph: answer }),
  extensions: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      /** Seconds since its loader last wrote its metrics. */
      figuresAge: z.number().nullable(),
      asked: z.number().nullable(),
      hits: z.number().nullable(),
    }),
  ),
  benchmark: z.object({ run: z.string(), progress: z.string() }).nullable(),
  disgrafs: z.object({ behind: z.number().nullable(), files: z.record(z.string(), z.number()) }).nullable(),
  prometheus: z
    .object({
      down: z.array(z.object({ job: z.string(), node: z.string(), error: z.string() })).nullable(),
      failedWrites: z.number().nullable(),
      /** Whether it has current samples, not only old ones. */
      storing: z.boolean().nullable(),
    })
    .nullable(),
});
export type NodeReport = z.infer<typeof reportSchema>;

/** The questions for a node. Addresses are HOST:PORT; an empty string skips the question. */
export interface Questions {
  readonly mountPoint: string;
  readonly redis: string;
  readonly objects: string;
  /** DisGraFS's API, which asks the graph in turn. */
  readonly api: string;
  readonly prometheus: string;
  readonly index: string;
  readonly taggers: string;
  readonly units: readonly string[];
}

/**
 * A node's report, or why there is none. `clockOff`: seconds by which its clock is off at least; positive is ahead. `diskErrors`: on
 * this computer, requests to its disk that have failed since its QEMU started.
 */
export type Asked =
  | { readonly report: NodeReport; readonly clockOff: number }
  | { readonly failure: string; readonly diskErrors?: number };

/** Milliseconds after which a node counts as not answering. */
const limit = 60_000;
const script = readFileSync(new URL("./probe.sh", import.meta.url), "utf8");

/** @param login command line that logs in, from the folder `cwd` */
export async function askNode(
  login: string,
  questions: Questions,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Asked> {
  const { mountPoint, redis, objects, api, prometheus, index, taggers, units } = questions;
  const words = [mountPoint, redis, objects, api, prometheus, index, taggers, ...units].map(quote).join(" ");
  // The login is root on local machines, and may become root on AWS.
  const there = `[ "$(id -u)" -eq 0 ] || become="sudo -n"; exec \${become:-} bash -s -- ${words}`;
  const before = Date.now() / 1000;
  const result = await execa(
    "bash",
    ["-c", `exec ${login} -o BatchMode=yes -o ConnectTimeout=15 ${quote(there)}`],
    // As a function, the script is read completely before it runs: no command in it can consume the rest as its input.
    { ...options, input: `main() {\n${script}\n}\nmain "$@"\n`, reject: false, timeout: limit },
  );
  const after = Date.now() / 1000;
  if (result.timedOut) return { failure: `no answer in ${limit / 1000} s` };
  if (result.exitCode !== 0)
    return { failure: lastLine(result.stderr) ?? `ssh ended with ${result.exitCode}` };
  let parsed;
  try {
    parsed = reportSchema.safeParse(JSON.parse(result.stdout));
  } catch {
    return {
      failure: `its answer is not a report: ${lastLine(result.stderr) ?? result.stdout.slice(0, 100)}`,
    };
  }
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { failure: `its report is not as expected at ${issue?.path.join(".")}: ${issue?.message}` };
  }
  return { report: parsed.data, clockOff: clockOff(parsed.data.clock, before, after) };
}

function lastLine(text: string): string | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "" && !line.startsWith("Warning: Permanently added"));
}
