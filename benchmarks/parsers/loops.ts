/** Parses the records of the runner's loops and Ray tasks (benchmarks/runner). */
import { z } from "zod";
import { bucketMiddles, fromRecord } from "../histogram.ts";
import { InvalidOutput, onlyObject, shaped } from "./json.ts";
import { shortestPass, type Measurement, type Measurements } from "./measurement.ts";

/** A phase that ended earlier than this, because its work was done, is too short to measure. */
const shortestSeconds = 0.001;

const loops = z.record(
  z.string(),
  z.object({
    operations: z.int().nonnegative(),
    seconds: z.number().nonnegative(),
    /** Absent if the clock was read once for many operations. */
    histogram: z.record(z.string().regex(/^\d+$/), z.int().nonnegative()).optional(),
    /** Seconds since its files were warmed, if it followed right after. */
    gap: z.number().optional(),
    /** Operations that need attributes or a name, and FUSE requests that reached JuiceFS, by method. */
    asked: z.int().nonnegative().optional(),
    requests: z.record(z.string(), z.int()).optional(),
  }),
);

/**
 * Figures of the loops named in `units`: operations/s, or microseconds each.
 * @param longestGap seconds after warming within which a loop must begin that follows right after
 */
export function parseLoops(
  text: string,
  units: Readonly<Record<string, string>>,
  longestGap = Infinity,
): Measurements {
  const all = shaped(loops, onlyObject(text, "the loops"), "the loops");
  return Object.fromEntries(
    Object.entries(units).map(([name, unit]) => {
      const loop = all[name];
      if (!loop) throw new InvalidOutput(`the loops have no figure ${name}`);
      if (loop.gap !== undefined && loop.gap > longestGap)
        throw new InvalidOutput(
          `${name} began ${loop.gap.toFixed(1)} s after its files were warmed, more than ${longestGap} s`,
        );
      const value = unit === "us" ? (loop.seconds * 1e6) / loop.operations : loop.operations / loop.seconds;
      return [
        name,
        {
          value,
          tooLittle: tooLittle(name, loop),
          operations: loop.operations,
          ...(loop.histogram && { latencies: bucketMiddles(fromRecord(loop.histogram)) }),
          ...(loop.requests && { asked: loop.asked, missed: attributeRequests(loop.requests) }),
        },
      ];
    }),
  );
}

/** Why a phase is too little for a figure; undefined if it is enough. */
function tooLittle(name: string, { operations, seconds }: { operations: number; seconds: number }) {
  if (operations === 0 || seconds === 0)
    return `no ${name} was finished in its time: give the window more seconds`;
  return seconds < shortestSeconds
    ? `the loops: ${name} lasted ${(seconds * 1000).toFixed(3)} ms: too little for a figure`
    : undefined;
}

/** Requests for data that the kernel can cache; all others always go to JuiceFS. */
function attributeRequests({ lookup = 0, getattr = 0 }: Readonly<Record<string, number>>): number {
  return lookup + getattr;
}

const part = z.object({
  seconds: z.number().positive(),
  expected: z.object({ files: z.int().positive(), bytesEach: z.int().positive() }),
  tasks: z.array(z.object({ client: z.string(), files: z.int(), bytes: z.int(), started: z.number() })),
});
const ray = z.object({ small: part, large: part });
type Part = z.infer<typeof part>;

/** Figures of the Ray workload, over all clients: small files/s, large files in MB/s. */
export function parseRay(text: string, clients: readonly string[]): Measurements {
  const { small, large } = shaped(ray, onlyObject(text, "the Ray tasks"), "the Ray tasks");
  const [smallFiles, largeFiles] = [wholeData("small", small, clients), wholeData("large", large, clients)];
  return {
    small: { value: smallFiles / small.seconds, operations: smallFiles, ...tooShort("small", small) },
    large: {
      value: (largeFiles * large.expected.bytesEach) / 1e6 / large.seconds,
      operations: largeFiles,
      ...tooShort("large", large),
    },
  };
}

/** Its driver's time includes the start and the end of the tasks, so a short one says little of the reads. */
function tooShort(kind: string, { seconds }: Part): Pick<Measurement, "tooLittle"> {
  const milliseconds = seconds * 1000;
  if (milliseconds >= shortestPass) return {};
  return {
    tooLittle: `the Ray tasks: the ${kind} files took ${milliseconds.toFixed(1)} ms, less than ${shortestPass} ms: too little for a figure`,
  };
}

/** The number of files of a kind. It is invalid unless all were read completely, the same number by each client. */
function wholeData(kind: string, { tasks, expected }: Part, clients: readonly string[]): number {
  const each = expected.files / clients.length;
  for (const client of clients) {
    const own = tasks.filter((task) => task.client === client);
    const files = own.reduce((sum, task) => sum + task.files, 0);
    const bytes = own.reduce((sum, task) => sum + task.bytes, 0);
    if (files !== each || bytes !== each * expected.bytesEach)
      throw new InvalidOutput(
        `the Ray tasks: ${client} read ${files} ${kind} files and ${bytes} bytes, not its share of ${each} files and ${each * expected.bytesEach} bytes`,
      );
  }
  return expected.files;
}
