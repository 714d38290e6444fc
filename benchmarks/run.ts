/** The versioned schema of `run.json`, the analysed run. */
import { z } from "zod";
import { hostSchema } from "./host.ts";
import { profileNames } from "./workloads.ts";

/**
 * Version of run.json. A file of another version is refused: `./lab report` recreates it from the raw files.
 * 2: services; for points, why iostat's samples are missing.
 * 3: four verdicts, looks, p-values, smallest factor; hash of the analysis; earlier runs.
 * 4: a difference is only called beyond the margin; what the smallest factor means; for points, too little for a figure.
 */
export const runVersion = 4;

export const verdictWords = ["better", "worse", "no difference", "undetermined"] as const;
const verdict = z.union([
  z.enum(verdictWords),
  z.string().regex(/^INVALID\(.+\)$/s, "better, worse, no difference, undetermined or INVALID(reason)"),
]);

/** One line of the verdict table: a figure of a workload in an arm, against the baseline. */
export const resultSchema = z.strictObject({
  workload: z.string(),
  figure: z.string(),
  title: z.string(),
  arm: z.string(),
  unit: z.string(),
  better: z.enum(["higher", "lower"]),
  baseline: z
    .number()
    .nullable()
    .describe(
      "Medians over the blocks, in `unit`; for the baseline, of the means of its two turns. Null if the machine is emulated (only ratios) or the row is INVALID.",
    ),
  value: z.number().nullable(),
  /** Arm over baseline, from the paired ratios of the blocks. Null when INVALID. */
  ratio: z
    .strictObject({
      centre: z.number().describe("Hodges-Lehmann estimate."),
      low: z.number().nullable().describe("Exact 95 % interval; null with fewer than six blocks."),
      high: z.number().nullable(),
      least: z.number().describe("The smallest and the largest ratio of a block."),
      most: z.number(),
    })
    .nullable(),
  noise: z
    .number()
    .nullable()
    .describe(
      "Noise floor, as a factor: the distance from 1 of the baseline compared with itself. Null if unknown.",
    ),
  blocks: z.int().describe("Number of measured blocks that the ratio is based on."),
  planned: z.int(),
  p: z
    .strictObject({ randomisation: z.number(), student: z.number(), signedRank: z.number() })
    .nullable()
    .describe(`Two-sided p-values of "no difference". Null when INVALID.`),
  smallestFactor: z
    .number()
    .nullable()
    .describe(
      "The smallest true factor, in either direction, that about four of five such runs would call a difference. Null if none could call any.",
    ),
  verdict: verdict
    .nullable()
    .describe(
      'Null if the profile gives no verdicts. "no difference": none beyond the run\'s `marginPercent`.',
    ),
  decidedAt: z.int().nullable().describe("Number of blocks at the look that decided; null if none did."),
});
export type Result = z.infer<typeof resultSchema>;

/** The name of a row, as `./lab bench --rows` takes it. */
export const rowName = ({ workload, figure, arm }: Pick<Result, "workload" | "figure" | "arm">): string =>
  `${workload}/${figure}/${arm}`;

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

/** A BPF program as the kernel describes it: the tag is a hash of its instructions. */
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
  /** Start of the window, ISO 8601; null if it did not start. */
  start: nullable,
  seconds: z.number().nullable(),
  invalid: nullable,
  /** Whether it became invalid in its window, as by a time limit, and so perhaps because of its speed. */
  inWindow: z.boolean(),
  /** Combined figures of all clients, in the units of the workload table; empty if invalid. */
  figures: z.record(z.string(), z.number()),
  /** Figures that are missing because the point was too short or did too few operations, with the reason. */
  tooLittle: z.record(z.string(), z.string()),
  /** How late the workload began on the last client, in seconds, including the start of its tools. */
  lateSeconds: z.number().nullable(),
  /** Longest time from the end of warming to the window on a client, in seconds; null for a workload that is not warmed. */
  gapSeconds: z.number().nullable(),
  /** FUSE requests from all clients that reached JuiceFS in the window and in the warming before it; null if the workload does not use the mount. */
  requests: z.number().nullable(),
  /**
   * Share of a figure's look-ups of names and attributes that the kernel answered, if known. Other requests, such as open, are
   * not counted: the kernel passes each of them to JuiceFS.
   */
  hitShares: z.record(z.string(), z.number()),
  /** Largest share of CPU time stolen on a client, percent; null if no client reports it, and in emulation. */
  stealPercent: z.number().nullable(),
  /** The same for the nodes of Redis and the object store, and their largest one-minute load at the end of the window. */
  neighbours: z.strictObject({ stealPercent: z.number().nullable(), load: z.number().nullable() }),
  /** Largest share of the window in which a task on a client waited, percent, by resource. */
  pressurePercent: z.record(z.string(), z.number()),
  /** Clients whose iostat samples are missing or incomplete, with the reason. Figures do not depend on them. */
  iostatGaps: z.record(z.string(), z.string()),
  /** Runs of the arm's extension in the window and in the warming before it, summed over clients; null for an arm without a count. */
  armCount: z.int().nullable(),
  /**
   * Reads that the arm's extension answered from the block cache, with those of the warming; and the bytes in the window, without
   * all bytes of the warming. Null if it answers none.
   */
  armReads: z.int().nullable().default(null),
  armReadBytes: z.int().nullable().default(null),
});
export type Point = z.infer<typeof pointSchema>;

/** Services behind the volume besides JuiceFS, with versions; empty in runs that did not record them. */
export const servicesSchema = z.record(z.string(), z.string()).default({});

/** Usage of a lab that costs money, when its results were fetched; null for local machines. */
export const usageSchema = z
  .strictObject({
    /** Hours since the lab's first `up`. */
    hours: z.number(),
    /** Cost of all its machines according to the price table. */
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
  host: hostSchema
    .nullable()
    .describe(
      "Load of the computer that runs the virtual machines; null if they do not run on this computer.",
    ),
  commit: nullable.describe("Commit of the checkout that fetched the raw files."),
  dirty: z.boolean().nullable(),
  /** About the program that made this file from the raw files. */
  analysis: z.strictObject({
    hash: z.string().describe("Hash of the sources in benchmarks/ that determine the content of this file."),
    levels: z
      .strictObject({ difference: z.number(), same: z.number(), guard: z.number() })
      .describe(
        "Probabilities of a false verdict in a run, and the level of the additional test that each verdict must pass.",
      ),
  }),
  earlierRuns: z
    .array(z.strictObject({ runId: z.string(), seed: z.int(), started: z.string() }))
    .describe(
      "Earlier runs that measured the same with any seed, rows, looks, margin or machines, as far as their files are in results/.",
    ),
  looks: z
    .array(z.int())
    .describe("Numbers of blocks after which the run was to be analysed, and the one that it reached."),
  look: z.int(),
  rows: z
    .array(z.string())
    .describe("Rows that the run was asked to decide; empty if it was asked for none."),
  marginPercent: z
    .number()
    .describe(
      "Ratios within this many percent of 1 do not matter: an interval that reaches into them calls no difference.",
    ),
  started: z.string(),
  ended: nullable,
  seconds: z.number().nullable(),
  lost: nullable.describe("Why the run ended before its last point; null if it did not."),
  discarded: z
    .int()
    .nullable()
    .default(null)
    .describe(
      "Unfinished blocks that were discarded and measured again, because a node was rebooted or the run paused in them; null if they were not counted.",
    ),
  clock: z.enum(["wall", "instructions"]),
  emulated: z
    .boolean()
    .describe("Whether the CPUs were emulated (QEMU without KVM): only ratios are then meaningful."),
  machines: z.array(machineSchema).describe("Clients, one entry for each boot in which the run measured."),
  baseline: z.string(),
  repeat: z.string(),
  arms: z.array(
    z.strictObject({
      name: z.string(),
      title: z.string(),
      programs: z
        .array(programSchema)
        .describe(
          "BPF programs that the arm's script found in the kernel, each once; empty for an arm without an extension.",
        ),
      count: z
        .int()
        .nullable()
        .describe(
          "Runs of the arm's extension, summed over windows (with the warming before them) and clients; null for an arm without one.",
        ),
    }),
  ),
  workloads: z.array(
    z.strictObject({
      name: z.string(),
      measures: z.string(),
      caches: z.string(),
      control: z.boolean(),
      once: z
        .boolean()
        .describe(
          "Whether it runs only in the warm-up: its points show that it works, and it is not compared.",
        ),
      parameters: z.record(z.string(), z.unknown()),
    }),
  ),
  results: z.array(resultSchema),
  points: z.array(pointSchema),
});
export type Run = z.infer<typeof runSchema>;
