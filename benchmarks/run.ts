/** What `run.json` holds: the analysed run, in a schema with a version. */
import { z } from "zod";
import { profileNames } from "./workloads.ts";

/**
 * Version of run.json. A file of another version is refused: `./lab report` makes it anew from the raw files.
 * 2: services, and for points why iostat's samples are missing.
 */
export const runVersion = 2;

const verdict = z.union([
  z.enum(["better", "worse", "within noise"]),
  z.string().regex(/^INVALID\(.+\)$/s, "better, worse, within noise or INVALID(reason)"),
]);

/** One line of the verdict table: a figure of a workload in an arm, against the baseline. */
export const resultSchema = z.strictObject({
  workload: z.string(),
  figure: z.string(),
  title: z.string(),
  arm: z.string(),
  unit: z.string(),
  better: z.enum(["higher", "lower"]),
  /** Medians over the blocks, in `unit`. Null when the machine is emulated (ratios only) or the verdict is INVALID. */
  baseline: z.number().nullable(),
  value: z.number().nullable(),
  /** Arm over baseline, from the paired per-block ratios: centre and 95 % interval. Null when INVALID. */
  ratio: z
    .strictObject({
      centre: z.number(),
      low: z.number(),
      high: z.number(),
      method: z.enum(["bootstrap", "student"]),
    })
    .nullable(),
  /** Noise floor: how far from 1, as a factor, the baseline comes against itself. Null when INVALID. */
  noise: z.number().nullable(),
  /** Blocks behind the ratio, of those planned. */
  blocks: z.int(),
  planned: z.int(),
  verdict,
});
export type Result = z.infer<typeof resultSchema>;

const nullable = z.string().nullable();

export const machineSchema = z.looseObject({
  name: z.string(),
  bootId: z.string(),
  kernel: z.string(),
  cpu: nullable,
  cpus: z.int().nullable(),
  memoryKiB: z.int().nullable(),
  virtualization: nullable,
  governor: nullable,
  smt: nullable,
  clocksource: nullable,
  versions: z.record(z.string(), nullable),
});
export type Machine = z.infer<typeof machineSchema>;

/** A BPF program as the kernel names it: the tag is a hash of its instructions. */
export const programSchema = z.object({ name: z.string(), tag: z.string() });
export type Program = z.infer<typeof programSchema>;

/** One timed window: a workload in one arm's turn of one block, on all clients. */
export const pointSchema = z.strictObject({
  block: z.int(),
  warmUp: z.boolean(),
  slot: z.int(),
  label: z.string(),
  arm: z.string(),
  workload: z.string(),
  /** Begin of the window, ISO 8601; null when it did not come to one. */
  start: nullable,
  seconds: z.number().nullable(),
  invalid: nullable,
  /** Figures of all clients together, in the units of the workload table; empty when invalid. */
  figures: z.record(z.string(), z.number()),
  /** Largest share of CPU time stolen on a client, percent; null where no client tells. */
  stealPercent: z.number().nullable(),
  /** Largest share of the window in which a task of a client waited, percent, by resource. */
  pressurePercent: z.record(z.string(), z.number()),
  /** Clients whose iostat samples are missing or cut short, each with the reason; figures do not depend on them. */
  iostatGaps: z.record(z.string(), z.string()),
  /** Run count of the arm's script over the window, summed over clients; null for an arm without one. */
  armCount: z.int().nullable(),
});
export type Point = z.infer<typeof pointSchema>;

/** What the volume is made of besides JuiceFS, with versions; none in runs that did not record it. */
export const servicesSchema = z.record(z.string(), z.string()).default({});

/** What a lab that is paid for had used when its results were fetched; null on machines of one's own. */
export const usageSchema = z
  .strictObject({
    /** Since the lab's first `up`. */
    hours: z.number(),
    /** By the price table, for all its machines. */
    usd: z.union([z.number(), z.literal("unknown")]),
  })
  .nullable()
  .default(null);

export const runSchema = z.strictObject({
  version: z.literal(runVersion),
  runId: z.string(),
  profile: z.enum(profileNames),
  seed: z.int(),
  settingsHash: z.string(),
  settings: z.record(z.string(), z.unknown()),
  stack: nullable,
  services: servicesSchema,
  usage: usageSchema,
  commit: nullable,
  dirty: z.boolean().nullable(),
  started: z.string(),
  ended: nullable,
  seconds: z.number().nullable(),
  /** Why the run ended before its last point; null when it did not. */
  lost: nullable,
  clock: z.enum(["wall", "instructions"]),
  /** The CPUs were emulated (QEMU without KVM): only ratios mean anything. */
  emulated: z.boolean(),
  machines: z.array(machineSchema),
  baseline: z.string(),
  repeat: z.string(),
  arms: z.array(
    z.strictObject({
      name: z.string(),
      title: z.string(),
      /** What the arm's script found in the kernel, each program once; empty for an arm without an extension. */
      programs: z.array(programSchema),
      /** Runs of the arm's extension, summed over windows and clients; null for an arm without one. */
      count: z.int().nullable(),
    }),
  ),
  workloads: z.array(
    z.strictObject({
      name: z.string(),
      measures: z.string(),
      caches: z.string(),
      control: z.boolean(),
      /** Run in the warm-up alone: shown to work (its points tell), and not compared. */
      once: z.boolean(),
      parameters: z.record(z.string(), z.unknown()),
    }),
  ),
  results: z.array(resultSchema),
  points: z.array(pointSchema),
});
export type Run = z.infer<typeof runSchema>;
