/**
 * The plan of a run, made in this one place from profile, arms and seed; the runner on the cluster carries it out as it
 * stands, and the analysis reads the copy that comes back with the raw files.
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
import { digest } from "../provisioning/remote.ts";
import {
  profileNames,
  profiles,
  workloads,
  workloadsOf,
  type Profile,
  type WorkloadFacts,
} from "./workloads.ts";
import { seeded, shuffled } from "./random.ts";

/** Version of the plan's and the raw files' layout: a run of another version is refused, not guessed at. */
export const planVersion = 1;

/** Limits past which a point is INVALID. */
export const limits = {
  /** CPU time stolen by the hypervisor, percent of the window's CPU time, on any client. */
  stealPercent: 5,
  /** A client that began later than the first by more than this share of the window did not run together with it. */
  lateShare: 0.5,
  /** Share of blocks that may lack a valid pair of points before the verdict is INVALID. */
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
  place: z.enum(["mount", "local-disk", "network"]),
  control: z.boolean(),
  /** Run in the warm-up alone, without a verdict. */
  once: z.boolean(),
  figures: z.record(z.string(), measureSchema),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
const armSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  caches: z.strictObject({ attr: seconds, entry: seconds, dirEntry: seconds }),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string().regex(/^[^\n"\\]*$/)),
  /** File in benchmarks/arms/ and its first arguments. */
  script: z.array(z.string()).min(1).nullable(),
  /** The script's count must grow in each window on the mount: it counts the runs of an extension. */
  counted: z.boolean(),
});

/** What the runner is given, and what comes back beside the raw files. */
export const planSchema = z.strictObject({
  version: z.literal(planVersion),
  runId: z.string().regex(/^[a-z]+-[0-9a-f]{12}$/),
  profile: z.enum(profileNames),
  seed: z.int().nonnegative(),
  settingsHash: z.string(),
  /** Settings of the lab that the result depends on, for the reader of the report. */
  settings: z.record(z.string(), z.unknown()),
  clock: z.enum(["wall", "instructions"]),
  /** Names of the client nodes; each has the Ray resource `client_<name>`. */
  clients: z.array(z.string()).min(1),
  mountPoint: z.string(),
  redis: z.strictObject({ host: z.string(), port: z.int() }),
  /** Addresses of nodes that are no clients and drop their caches when asked (see benchmarks/nodes/). */
  cacheDroppers: z.array(z.string()),
  limits: z.strictObject({ stealPercent: z.number(), lateShare: z.number(), invalidShare: z.number() }),
  expectedSeconds: z.number(),
  limitSeconds: z.number(),
  baseline: z.string(),
  repeat: z.string(),
  arms: z.array(armSchema).min(1),
  workloads: z.array(workloadSchema).min(1),
  blocks: z.array(z.strictObject({ index: z.int(), warmUp: z.boolean(), slots: z.array(slotSchema).min(1) })),
});
export type Plan = z.infer<typeof planSchema>;
export type Block = Plan["blocks"][number];

export interface PlanSettings {
  readonly profile: Profile;
  readonly seed: number;
  /** Default: the arms that are not optional. The baseline is always in it. */
  readonly arms?: readonly ArmName[];
  readonly clients: readonly string[];
  readonly mountPoint: string;
  readonly redis: { readonly host: string; readonly port: number };
  readonly cacheDroppers: readonly string[];
  readonly clock: "wall" | "instructions";
  /** What else the result depends on: goes into the settings hash, and to the report. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Identity of the machines: another cluster is another run, even with the same settings. */
  readonly machineIds: readonly string[];
}

/** Blocks of a run: every arm once and the baseline twice, in an order of its own in each block. Pure. */
export function buildBlocks(profile: Profile, armsIn: readonly ArmName[], seed: number): Block[] {
  const facts = profiles[profile];
  const random = seeded(seed);
  const slots = [
    { label: baselineArm as string, arm: baselineArm },
    { label: repeatLabel, arm: baselineArm },
    ...armsIn.filter((arm) => arm !== baselineArm).map((arm) => ({ label: arm, arm })),
  ];
  const warmUp = facts.warmUp === "all" ? shuffled(slots, random) : slots.slice(0, 1);
  const counted = Array.from({ length: facts.blocks }, (_, index) => ({
    index: index + 1,
    warmUp: false,
    slots: shuffled(slots, random),
  }));
  return [{ index: 0, warmUp: true, slots: warmUp }, ...counted];
}

/** The whole plan. Pure: the same settings give the same plan to the letter. */
export function buildPlan(settings: PlanSettings): Plan {
  const { profile, seed } = settings;
  const chosen = withBaseline(settings.arms ?? defaultArms);
  const planned = {
    profile,
    clock: settings.clock,
    clients: [...settings.clients],
    mountPoint: settings.mountPoint,
    limits,
    baseline: baselineArm,
    repeat: repeatLabel,
    arms: chosen.map((name) => plannedArm(name, arms[name])),
    workloads: workloadsOf(profile).map((name) => plannedWorkload(name, workloads[name], profile)),
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
    expectedSeconds: Math.round(profiles[profile].expectedMinutes * 60 * longer(chosen)),
    limitSeconds: limitSeconds(profile, chosen),
    blocks: buildBlocks(profile, chosen, seed),
  } satisfies Plan);
}

/** Seconds after which a run is given up. A profile's limit is for the default arms; more arms are given more. */
export function limitSeconds(profile: Profile, names: readonly ArmName[] = defaultArms): number {
  return Math.round(profiles[profile].limitMinutes * 60 * longer(withBaseline(names)));
}

/** How many times as long a block is as with the default arms, of which the baseline takes two turns; at least once. */
function longer(chosen: readonly ArmName[]): number {
  return Math.max(1, (chosen.length + 1) / (defaultArms.length + 1));
}

/** Arms in the table's order, the baseline with them. */
function withBaseline(names: readonly ArmName[]): ArmName[] {
  return armNames.filter((arm) => arm === baselineArm || names.includes(arm));
}

/** The workloads of a block. */
export function workloadsIn(plan: Plan, block: Block): Plan["workloads"] {
  return plan.workloads.filter(({ once }) => block.warmUp || !once);
}

/** The number of points (slots times workloads) of a plan, warm-up included. */
export function pointCount(plan: Plan): number {
  return plan.blocks.reduce((sum, block) => sum + block.slots.length * workloadsIn(plan, block).length, 0);
}

function plannedArm(name: ArmName, facts: ArmFacts): Plan["arms"][number] {
  const { title, caches, environment = {}, script, extension } = facts;
  return {
    name,
    title,
    caches,
    environment: { ...environment },
    script: script ? [...script] : null,
    counted: extension !== undefined,
  };
}

function plannedWorkload(name: string, facts: WorkloadFacts, profile: Profile): Plan["workloads"][number] {
  const parameters = facts.parameters[profile];
  if (!parameters) throw new Error(`workload ${name} has no parameters for the profile ${profile}`);
  const { kind, measures, caches, place, control = false, once = [], figures } = facts;
  return {
    name,
    kind,
    measures,
    caches,
    place,
    control,
    once: once.includes(profile),
    figures: { ...figures },
    parameters: { ...parameters },
  };
}
