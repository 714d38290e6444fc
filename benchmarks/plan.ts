/**
 * Creates the plan of a run from profile, arms and seed. The runner on the cluster executes it unchanged, and the analysis reads
 * the copy that is returned with the raw files.
 */
import { z } from "zod";
import {
  armNames,
  arms,
  baselineArm,
  defaultArms,
  repeatLabel,
  type ArmFacts,
  type ArmName,
} from "./arms.ts";
import { digest } from "../provisioning/digest.ts";
import {
  onePass,
  profileNames,
  profiles,
  windowSeconds,
  workloads,
  workloadsOf,
  type Profile,
  type WorkloadFacts,
} from "./workloads.ts";
import { balancedOrders } from "./order.ts";
import { seeded } from "./random.ts";
import { matchRows, tableRows } from "./rows.ts";

/**
 * Version of the plan's and the raw files' layout: a run of another version is refused, not guessed at.
 * 2: looks, rows, margin; the order of arms is balanced.
 */
export const planVersion = 2;

/** Numbers of blocks after which a run is analysed if it continues until the requested rows are decided. */
export const looksUntilDecided = [10, 15, 20, 30] as const;
/** Default margin, percent: smaller differences do not matter. */
export const defaultMarginPercent = 5;

/** Limits beyond which a point is INVALID. */
export const limits = {
  /** CPU time stolen by the hypervisor on one client, percent of the time that its CPUs were wanted (record.ts). */
  stealPercent: 5,
  /** Share of the window by which a client may start later than the first; beyond this, they did not run together. */
  lateShare: 0.5,
  /** Longest time between warming and window; after a longer one, caches may have expired in some arms and not in others. */
  gapSeconds: 0.5,
  /**
   * The same for fio, whose start is in this time and takes seconds in emulation. It opens the file itself, and reads data, which
   * does not expire.
   */
  fioGapSeconds: 5,
  /** Longest pause between two points of a block; with a longer one, the block was not measured without interruption. */
  pauseSeconds: 600,
  /** Share of blocks that may lack a valid pair of points; beyond this, the verdict is INVALID. */
  invalidShare: 0.2,
} as const;

const seconds = z.number().nonnegative();
const slotSchema = z.strictObject({ label: z.string(), arm: z.string() });
const measureSchema = z.strictObject({
  title: z.string(),
  unit: z.string(),
  better: z.enum(["higher", "lower"]),
  combine: z.enum(["sum", "mean"]),
});
const workloadSchema = z.strictObject({
  name: z.string(),
  kind: z.string(),
  measures: z.string(),
  caches: z.enum(["cold", "warm", "as-is"]),
  place: z.enum(["mount", "local-disk", "network", "data-disk"]),
  control: z.boolean(),
  /** Runs only in the warm-up, without a verdict. */
  once: z.boolean(),
  /** Whether it reads data that is in the node's block cache. */
  reads: z.boolean().default(false),
  /** Whether its window ends after it has read its file once; older plans lack it, and the analysis derives it. */
  onePass: z.boolean().optional(),
  /** Planned length of its window; older plans lack it, and their records have it. */
  seconds: z.number().positive().optional(),
  figures: z.record(z.string(), measureSchema),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
const armSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  caches: z.strictObject({ attr: seconds, entry: seconds, dirEntry: seconds }),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string().regex(/^[^\n"\\]*$/)),
  /** A file in benchmarks/arms/ and its first arguments; null if the arm has none. */
  script: z.array(z.string()).min(1).nullable(),
  /** The only extension that may be loaded in the arm's turn; null if none may. */
  extension: z.string().nullable().default(null),
  /** Whether the script counts the runs of an extension: the count must grow in each window on the mount or the data disk. */
  counted: z.boolean(),
  /** Whether the script also counts reads that the extension answered: they must grow in each window of a workload with `reads`. */
  reads: z.boolean().default(false),
  /** Whether its workloads on the volume use a folder of the node's own disk instead. */
  local: z.boolean().default(false),
});

/** The runner's input, which is returned unchanged with the raw files. */
export const planSchema = z.strictObject({
  version: z.literal(planVersion),
  runId: z.string().regex(/^[a-z]+-[0-9a-f]{12}$/),
  profile: z.enum(profileNames),
  seed: z.int().nonnegative(),
  settingsHash: z.string(),
  settings: z
    .record(z.string(), z.unknown())
    .describe("Settings of the lab that affect the result, for the reader of the report."),
  clock: z.enum(["wall", "instructions"]),
  clients: z
    .array(z.string())
    .min(1)
    .describe("Names of the client nodes; each has the Ray resource `client_<name>`."),
  mountPoint: z.string(),
  redis: z.strictObject({ host: z.string(), port: z.int() }),
  cacheDroppers: z
    .array(z.string())
    .describe(
      "Addresses of nodes that are not clients: they drop their caches and report their load on request (benchmarks/nodes/).",
    ),
  limits: z.strictObject({
    stealPercent: z.number(),
    lateShare: z.number(),
    gapSeconds: z.number(),
    fioGapSeconds: z
      .number()
      .optional()
      .describe("If absent, as in older plans, gapSeconds holds for fio, too."),
    pauseSeconds: z.number(),
    invalidShare: z.number(),
  }),
  expectedSeconds: z.number(),
  limitSeconds: z.number(),
  looks: z
    .array(z.int().positive())
    .min(1)
    .describe(
      "Numbers of blocks after which the run is analysed. It ends at the first analysis that decides all of `rows`, or at the last.",
    ),
  rows: z
    .array(z.string())
    .describe(
      "Requested rows of the verdict table, WORKLOAD/FIGURE/ARM. If empty, the run is analysed once, at its end.",
    ),
  marginPercent: z.number().positive().describe("Ratios within this many percent of 1 do not matter."),
  baseline: z.string(),
  repeat: z.string(),
  arms: z.array(armSchema).min(1),
  workloads: z.array(workloadSchema).min(1),
  blocks: z.array(z.strictObject({ index: z.int(), warmUp: z.boolean(), slots: z.array(slotSchema).min(1) })),
});
export type Plan = z.infer<typeof planSchema>;

/**
 * What a run measures, whatever the seed and the machines. How long it measures (looks, rows) and the margin are left out: a
 * run that differs only in these is another chance of a false verdict.
 */
export const measuredSchema = z.object(
  planSchema.pick({
    profile: true,
    clock: true,
    clients: true,
    mountPoint: true,
    limits: true,
    baseline: true,
    repeat: true,
    arms: true,
    workloads: true,
    settings: true,
  }).shape,
);
export type Block = Plan["blocks"][number];

export interface PlanSettings {
  readonly profile: Profile;
  readonly seed: number;
  /** Default: the arms that are not optional. The baseline is always included. */
  readonly arms?: readonly ArmName[];
  readonly clients: readonly string[];
  readonly mountPoint: string;
  readonly redis: { readonly host: string; readonly port: number };
  readonly cacheDroppers: readonly string[];
  readonly clock: "wall" | "instructions";
  /** Whether the lab has DisGraFS; its workload is then in the plan. */
  readonly disgrafs?: boolean;
  /** Patterns (rows.ts) of rows for which the run measures more blocks until they are decided. */
  readonly rows?: readonly string[];
  readonly marginPercent?: number;
  /** Other settings that affect the result: part of the settings hash and of the report. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Identities of the machines: another cluster is another run, even with the same settings. */
  readonly machineIds: readonly string[];
}

/** The blocks of a run: each has every arm once and the baseline twice, in a balanced order that depends on the seed. Pure. */
export function buildBlocks(
  profile: Profile,
  armsIn: readonly ArmName[],
  seed: number,
  count: number = profiles[profile].blocks,
): Block[] {
  const random = seeded(seed);
  const slots = [
    { label: baselineArm as string, arm: baselineArm },
    { label: repeatLabel, arm: baselineArm },
    ...armsIn.filter((arm) => arm !== baselineArm).map((arm) => ({ label: arm, arm })),
  ];
  const orders = balancedOrders(slots, count, random);
  const warmUp = profiles[profile].warmUp === "all" ? orders[0] : undefined;
  return [
    { index: 0, warmUp: true, slots: warmUp ?? slots.slice(0, 1) },
    ...orders.map((order, index) => ({ index: index + 1, warmUp: false, slots: order })),
  ];
}

/**
 * The numbers of blocks after which a run is analysed. A run is analysed more than once only if it names rows; the level of its
 * tests is then divided among the looks.
 * @throws Error if rows are named for a profile that gives no verdicts
 */
export function looksOf(profile: Profile, rows: readonly string[] = []): readonly number[] {
  const { blocks } = profiles[profile];
  if (rows.length === 0) return [blocks];
  if (blocks < looksUntilDecided[0])
    throw new Error(`the profile ${profile} gives no verdicts, so it takes no rows; choose another profile`);
  return looksUntilDecided;
}

/** Builds the plan. Pure: the same settings always give exactly the same plan. */
export function buildPlan(settings: PlanSettings): Plan {
  const { profile, seed, disgrafs = false } = settings;
  const chosen = withBaseline(armsFor(profile, settings.arms));
  const looks = looksOf(profile, settings.rows);
  const planned = {
    profile,
    clock: settings.clock,
    clients: [...settings.clients],
    mountPoint: settings.mountPoint,
    limits,
    looks: [...looks],
    rows: matchRows(tableRows(profile, chosen, disgrafs), settings.rows ?? []),
    marginPercent: settings.marginPercent ?? defaultMarginPercent,
    baseline: baselineArm,
    repeat: repeatLabel,
    arms: chosen.map((name) => plannedArm(name, arms[name])),
    workloads: workloadsOf(profile, disgrafs).map((name) => plannedWorkload(name, workloads[name], profile)),
    settings: settings.settings,
  };
  const settingsHash = digest([JSON.stringify({ version: planVersion, ...planned })]);
  const runId = `${profile}-${digest([settingsHash, String(seed), ...settings.machineIds])}`;
  return planSchema.parse({
    version: planVersion,
    runId,
    seed,
    settingsHash,
    ...planned,
    redis: settings.redis,
    cacheDroppers: [...settings.cacheDroppers],
    expectedSeconds: Math.round(profiles[profile].expectedMinutes * 60 * longer(profile, chosen, looks)),
    limitSeconds: limitSeconds(profile, chosen, settings.rows),
    blocks: buildBlocks(profile, chosen, seed, looks.at(-1)),
  } satisfies Plan);
}

/** Time limit of a run in seconds: the profile's limit, longer for more arms or blocks. */
export function limitSeconds(
  profile: Profile,
  names: readonly ArmName[] = defaultArms,
  rows: readonly string[] = [],
): number {
  const times = longer(profile, withBaseline(names), looksOf(profile, rows));
  return Math.round(profiles[profile].limitMinutes * 60 * times);
}

/** Duration of a run relative to the profile with its default arms; at least 1. The baseline has two turns. */
function longer(profile: Profile, chosen: readonly ArmName[], looks: readonly number[]): number {
  const block = Math.max(1, (chosen.length + 1) / (defaultArms.length + 1));
  return (block * Math.max(...looks)) / profiles[profile].blocks;
}

/**
 * The arms of a run: the requested ones; some profiles have their own default.
 * @throws Error if an arm does not change what the profile measures
 */
export function armsFor(
  profile: Profile,
  asked: readonly ArmName[] = armsOf[profile] ?? defaultArms,
): readonly ArmName[] {
  const unfit = asked.filter((arm) => !fits(arm, profile));
  if (unfit.length === 0) return asked;
  throw new Error(
    `the profile ${profile} cannot measure ${unfit.join(", ")}: ` +
      `its arms are ${armNames.filter((arm) => fits(arm, profile)).join(", ")}`,
  );
}

/** The default of profiles whose workloads only some optional arms change. */
const armsOf: Readonly<Partial<Record<Profile, readonly ArmName[]>>> = {
  // Each safe mode, and the alternative to the polling one.
  lookups: [baselineArm, "chain-wq", "chain-poll", "io-uring-poll"],
  // A lease with and without reads, what each is to be compared with, and the limit.
  reads: [
    baselineArm,
    "nocache",
    "fuse-lease",
    "fuse-lease-keep",
    "fuse-read",
    "fuse-lease-read",
    "fuse-lease-keep-read",
    "local",
  ],
};

/** Whether an arm changes what a profile measures. The baseline fits every profile. */
export function fits(arm: ArmName, profile: Profile): boolean {
  const { lookups, local }: ArmFacts = arms[arm];
  if (local) return profile === "reads";
  return arm === baselineArm || (lookups === true) === (profile === "lookups");
}

/** Arms in the table's order, including the baseline. */
function withBaseline(names: readonly ArmName[]): ArmName[] {
  return armNames.filter((arm) => arm === baselineArm || names.includes(arm));
}

/** The workloads of a block. */
export function workloadsIn(plan: Plan, block: Block): Plan["workloads"] {
  return plan.workloads.filter(({ once }) => block.warmUp || !once);
}

/** The number of points (slots times workloads) of a plan, including the warm-up. */
export function pointCount(plan: Plan): number {
  return plan.blocks.reduce((sum, block) => sum + block.slots.length * workloadsIn(plan, block).length, 0);
}

function plannedArm(name: ArmName, facts: ArmFacts): Plan["arms"][number] {
  const { title, caches, environment = {}, script, extension = null, reads = false, local = false } = facts;
  return {
    name,
    title,
    caches,
    environment: { ...environment },
    script: script ? [...script] : null,
    extension,
    counted: extension !== null,
    reads,
    local,
  };
}

function plannedWorkload(name: string, facts: WorkloadFacts, profile: Profile): Plan["workloads"][number] {
  const parameters = facts.parameters[profile];
  if (!parameters) throw new Error(`workload ${name} has no parameters for the profile ${profile}`);
  const { kind, measures, caches, place, control = false, once = [], reads = false, figures } = facts;
  return {
    name,
    kind,
    measures,
    caches,
    place,
    control,
    once: once.includes(profile),
    reads,
    onePass: onePass(facts, { ...parameters }),
    seconds: windowSeconds(facts, parameters),
    figures: { ...figures },
    parameters: { ...parameters },
  };
}
