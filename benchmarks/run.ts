/** What `run.json` holds: the analysed run, in a schema with a version. */
import { z } from "zod";

/** Version of run.json. A file of another version is refused with a word on what to do. */
export const runVersion = 1;

export const verdicts = ["better", "worse", "within noise"] as const;
const verdictSchema = z.union([z.enum(verdicts), z.string().regex(/^INVALID\(.+\)$/s)]);

/** One line of the verdict table: a figure of a workload in an arm, against the baseline. */
export const summaryRowSchema = z.strictObject({
  workload: z.string(),
  figure: z.string(),
  arm: z.string(),
  unit: z.string(),
  better: z.enum(["higher", "lower"]),
  /** Median over the blocks, in `unit`; null when the machine is emulated or the verdict is INVALID. */
  value: z.number().nullable(),
  /** Arm over baseline: centre and 95 % interval of the paired per-block ratios; null when INVALID. */
  ratio: z.strictObject({ centre: z.number(), low: z.number(), high: z.number() }).nullable(),
  verdict: verdictSchema,
});
export type SummaryRow = z.infer<typeof summaryRowSchema>;
