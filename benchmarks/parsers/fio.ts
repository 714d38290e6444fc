/** Parses fio's JSON (`json` and `json+`) from versions 3.33 to 3.39. */
import { z } from "zod";
import { fromRecord } from "../histogram.ts";
import { onlyObject, shaped, InvalidOutput } from "./json.ts";
import { shortestPass, type Measurement, type Measurements } from "./measurement.ts";

const side = z.object({
  io_bytes: z.number(),
  total_ios: z.number(),
  /** Milliseconds. */
  runtime: z.number(),
  clat_ns: z.object({ bins: z.record(z.string().regex(/^\d+$/), z.number()).optional() }),
});
const output = z.object({
  jobs: z.tuple([z.object({ jobname: z.string(), error: z.number(), read: side, write: side })]),
});

/** A job that ran for less than this share of its time is invalid. */
const leastShare = 0.5;

export interface FioJob {
  /** Figures in MB/s, otherwise in operations/s. */
  readonly large: boolean;
  /** Planned duration. */
  readonly seconds: number;
  /** Size of the file if the job reads it only once, so that it may end early. */
  readonly passBytes?: number | undefined;
}

/** Rates of one fio job. A direction without operations is absent. */
export function parseFio(text: string, planned: FioJob): Measurements {
  const { jobs } = shaped(output, onlyObject(text, "fio"), "fio");
  const [job] = jobs;
  if (job.error !== 0) throw new InvalidOutput(`fio: error ${job.error} in job ${job.jobname}`);
  const sides = (["read", "write"] as const).filter((name) => job[name].total_ios > 0);
  if (sides.length === 0) throw new InvalidOutput("fio did no I/O in its time");
  return Object.fromEntries(sides.map((name) => [name, rate(name, job[name], planned)]));
}

function rate(
  name: string,
  facts: z.infer<typeof side>,
  { large, seconds: planned, passBytes }: FioJob,
): Measurement {
  if (facts.runtime <= 0) throw new InvalidOutput("fio: runtime is 0");
  const wholePass = passBytes !== undefined && facts.io_bytes >= passBytes;
  if (!wholePass && facts.runtime < planned * 1000 * leastShare)
    throw new InvalidOutput(
      `fio: ${name} lasted ${facts.runtime} ms of ${planned * 1000} ms: too little for a figure`,
    );
  const { bins } = facts.clat_ns;
  const seconds = facts.runtime / 1000;
  return {
    value: large ? facts.io_bytes / 1e6 / seconds : facts.total_ios / seconds,
    operations: facts.total_ios,
    ...(wholePass && facts.runtime < shortestPass
      ? {
          tooLittle: `fio: the pass lasted ${facts.runtime} ms, less than ${shortestPass} ms: too little for a figure`,
        }
      : {}),
    // Percentiles without bins cannot be merged over clients, so latencies are absent.
    ...(bins && Object.keys(bins).length > 0 ? { latencies: fromRecord(bins) } : {}),
  };
}
