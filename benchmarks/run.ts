/** The versioned schema of `run.json`, the analysed run. */
import { z } from "zod";
import { hostSchema } from "./host.ts";
import { profileNames } from "./workloads.ts";

/**
 * Version of run.json. A file of another version is refused: `./lab report` makes it anew from the raw files.
 * 2: services, and for points why iostat's samples are missing.
 * 3: four verdicts, looks, p-values, smallest factor; hash of the analysis; earlier runs.
 */
export const runVersion = 3;

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
      "Medians over the blocks, in `unit`; the baseline's is of the mean of its two turns. Null when the machine is emulated (ratios only) or INVALID.",
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
      "Noise floor: how far from 1, as a factor, the baseline comes against itself. Null when unknown.",
    ),
  blocks: z.int().describe("Blocks behind the ratio, of those measured."),
  planned: z.int(),
  p: z
    .strictObject({ randomisation: z.number(), student: z.number(), signedRank: z.number() })
    .nullable()
    .describe(`Two-sided p-values of "no difference". Null when INVALID.`),
  smallestFactor: z
    .number()
    .nullable()
    .describe(
      "The smallest ratio, or one over it, that this run would have called a difference. Null when it could call none.",
    ),
  verdict: verdict
    .nullable()
    .describe(
      'Null where the profile gives no verdicts. "no difference": none beyond the run\'s `marginPercent`.',
    ),
  decidedAt: z.int().nullable().describe("Blocks of the look that decided; null when none did."),
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
  /** How late the workload began on the client that was last, seconds, starting its tools included. */
  lateSeconds: z.number().nullable(),
  /** Longest time on a client from the end of warming to the window, seconds; null for a workload that is not warmed. */
  gapSeconds: z.number().nullable(),
  /** FUSE requests that reached JuiceFS in the window, of all clients; null off the mount. */
  requests: z.number().nullable(),
  /** Share of what a figure's operations asked for that needed no request to JuiceFS, where that is known. */
  hitShares: z.record(z.string(), z.number()),
  /** Largest share of CPU time stolen on a client, percent; null where no client tells, and in emulation. */
  stealPercent: z.number().nullable(),
  /** The same of Redis's and the object store's node, and the largest of their loads (one minute's) at its end. */
  neighbours: z.strictObject({ stealPercent: z.number().nullable(), load: z.number().nullable() }),
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
  host: hostSchema
    .nullable()
    .describe("The computer on which the virtual machines run; null where they are not its own."),
  commit: nullable.describe("Of the checkout that fetched the raw files."),
  dirty: z.boolean().nullable(),
  /** Of the program that made this file from the raw files. */
  analysis: z.strictObject({
    hash: z.string().describe("Of the sources in benchmarks/ that decide what this file says."),
    levels: z
      .strictObject({ difference: z.number(), same: z.number(), guard: z.number() })
      .describe(
        "Chances of a false verdict in a run, and the level of the test that each verdict must pass besides.",
      ),
  }),
  earlierRuns: z
    .array(z.strictObject({ runId: z.string(), seed: z.int(), started: z.string() }))
    .describe(
      "Runs with the same settings and other seeds that began before this one, as far as their files are in results/.",
    ),
  looks: z
    .array(z.int())
    .describe("Numbers of blocks after which the run was to be looked at, and the one that it came to."),
  look: z.int(),
  rows: z.array(z.string()).describe("Rows that the run was to decide; empty: none in particular."),
  marginPercent: z.number().describe("Ratios within this many percent of 1 are no difference that matters."),
  started: z.string(),
  ended: nullable,
  seconds: z.number().nullable(),
  lost: nullable.describe("Why the run ended before its last point; null when it did not."),
  clock: z.enum(["wall", "instructions"]),
  emulated: z.boolean().describe("The CPUs were emulated (QEMU without KVM): only ratios mean anything."),
  machines: z.array(machineSchema).describe("Clients, once for each boot in which the run measured."),
  baseline: z.string(),
  repeat: z.string(),
  arms: z.array(
    z.strictObject({
      name: z.string(),
      title: z.string(),
      programs: z
        .array(programSchema)
        .describe(
          "What the arm's script found in the kernel, each program once; empty for an arm without an extension.",
        ),
      count: z
        .int()
        .nullable()
        .describe(
          "Runs of the arm's extension, summed over windows and clients; null for an arm without one.",
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
        .describe("Run in the warm-up alone: shown to work (its points tell), and not compared."),
      parameters: z.record(z.string(), z.unknown()),
    }),
  ),
  results: z.array(resultSchema),
  points: z.array(pointSchema),
});
export type Run = z.infer<typeof runSchema>;
