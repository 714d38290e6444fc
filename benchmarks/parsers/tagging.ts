/** Parses the records of the tagging workload (benchmarks/runner/disgrafs_benchmark/tagging.py). */
import { z } from "zod";
import { InvalidOutput, onlyObject, shaped } from "./json.ts";
import type { Measurements } from "./measurement.ts";

const tagging = z.object({
  /** From the start of the window to the last file's tags. */
  seconds: z.number().nonnegative(),
  /** From closing a file to its tags; null if it has none. */
  files: z.array(z.object({ client: z.string(), seconds: z.number().nullable() })),
  searches: z.array(z.number().nonnegative()),
  /** FUSE requests of all clients, from the writers and the taggers. */
  requests: z.int().nonnegative(),
});

/** Figures over all clients. A file without tags makes them invalid, because leaving it out would improve the others. */
export function parseTagging(text: string): Measurements {
  const what = "the tagging workload";
  const { seconds, files, searches, requests } = shaped(tagging, onlyObject(text, what), what);
  const times = files.flatMap((file) => (file.seconds === null ? [] : [file.seconds]));
  if (files.length === 0) throw new InvalidOutput(`${what}: no file was written`);
  if (times.length < files.length)
    throw new InvalidOutput(
      `${what}: ${files.length - times.length} of ${files.length} files were not tagged in time`,
    );
  if (!(seconds > 0)) throw new InvalidOutput(`${what}: it lasted ${seconds} s`);
  if (searches.length === 0) throw new InvalidOutput(`${what}: no search was answered in its time`);
  const operations = files.length;
  return {
    tagged: { value: operations / seconds, operations },
    searchable50: { value: 1e6 * percentile(times, 50), operations },
    searchable99: { value: 1e6 * percentile(times, 99), operations },
    search: { value: 1e6 * percentile(searches, 50), operations: searches.length },
    requests: { value: requests / operations, operations },
  };
}

/** The smallest value that at least this percentage of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN;
}
