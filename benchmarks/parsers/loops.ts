/** What the runner's own loops and its Ray tasks record (benchmarks/runner). */
import { z } from "zod";
import { fromRecord } from "../histogram.ts";
import { InvalidOutput, onlyObject, shaped } from "./json.ts";
import type { Measurements } from "./measurement.ts";

const loops = z.record(
  z.string(),
  z.object({
    operations: z.int().nonnegative(),
    seconds: z.number().nonnegative(),
    histogram: z.record(z.string().regex(/^\d+$/), z.int().nonnegative()),
  }),
);

/** Figures of the loops named in `units`: operations/s, or microseconds each. */
export function parseLoops(text: string, units: Readonly<Record<string, string>>): Measurements {
  const all = shaped(loops, onlyObject(text, "the loops"), "the loops");
  return Object.fromEntries(
    Object.entries(units).map(([name, unit]) => {
      const loop = all[name];
      if (!loop) throw new InvalidOutput(`the loops have no figure ${name}`);
      if (loop.operations === 0 || loop.seconds === 0)
        throw new InvalidOutput(`no ${name} was finished in its time: give the window more seconds`);
      const value = unit === "us" ? (loop.seconds * 1e6) / loop.operations : loop.operations / loop.seconds;
      return [name, { value, operations: loop.operations, latencies: fromRecord(loop.histogram) }];
    }),
  );
}

const read = z.object({
  seconds: z.number().positive(),
  files: z.int().positive(),
  bytes: z.int().positive(),
});
const ray = z.object({ small: read, large: read });

/** Figures of the Ray workload, over all clients: small files/s, large files in MB/s. */
export function parseRay(text: string): Measurements {
  const { small, large } = shaped(ray, onlyObject(text, "the Ray tasks"), "the Ray tasks");
  return {
    small: { value: small.files / small.seconds, operations: small.files },
    large: { value: large.bytes / 1e6 / large.seconds, operations: large.files },
  };
}
