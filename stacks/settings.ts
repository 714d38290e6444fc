/**
 * The settings of a stack, checked before any resource is created. One error lists every invalid key with its value, the
 * allowed values, and the command that fixes it.
 */
import { RunError } from "@pulumi/pulumi/errors.js";
import { distance } from "fastest-levenshtein";
import { z } from "zod";
import { isLocalKernel, kernelNames, localKernelNames, type Kernel } from "../provisioning/kernels.ts";
import { roles } from "../provisioning/machine.ts";
import { quote } from "../provisioning/shell.ts";
import { portClashes, ports } from "../provisioning/ports.ts";
import { extensionNames, extensions, extensionShape, extensionsSchema } from "../bpf/table.ts";
import { armExtensions, armNames, defaultArms, isArm, type ArmName } from "../benchmarks/arms.ts";
import { armsFor, defaultMarginPercent, looksOf } from "../benchmarks/plan.ts";
import { matchRows, tableRows } from "../benchmarks/rows.ts";
import { profileNames, profiles, type ProfileFacts } from "../benchmarks/workloads.ts";
import { awsSettings } from "./aws/settings.ts";
import { folderProblems } from "./folders.ts";
import { labCommand } from "./labCommand.ts";
import { defaultSize, topologies, topologyProblems, type Node } from "./topology.ts";

const nodeSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
      "must be a host name: a-z, 0-9 and inner hyphens, 32 at most",
    ),
  roles: z.array(z.enum(roles)),
  cpus: z.int().min(1).max(64).optional(),
  memoryMiB: z.int().min(512).optional(),
  diskGiB: z.int().min(20, "must be 20 or more: the size of the image").optional(),
});

const seconds = z.number().min(0).max(86_400);

const juicefsSchema = z.strictObject({
  /** Mount point of the volume on the clients. */
  mountPoint: z
    .string()
    .regex(/^(\/[\w.-]+)+$/, "must be an absolute path of plain names")
    .default("/mnt/jfs"),
  /** Folder of the block cache on a client. */
  cacheDir: z
    .string()
    .regex(/^(\/[\w.-]+)+$/, "must be an absolute path of plain names")
    .default("/var/cache/juicefs"),
  cacheSizeMiB: z.int().min(0).default(1024),
  /** Without a value: 1, JuiceFS's default, or 0 where the FUSE extension answers under a lease. */
  attrCacheSeconds: seconds.optional(),
  entryCacheSeconds: seconds.optional(),
  dirEntryCacheSeconds: seconds.optional(),
  /** Acknowledge writes before they are uploaded: faster, and what is not yet uploaded is lost with the machine. */
  writeback: z.boolean().default(false),
  /** `s3` is the lab's object store; `file` is a folder of the one client. */
  storage: z.enum(["s3", "file"]).default("s3"),
});

/** A list of names, or one comma-separated text. */
export const armsSchema = z
  .union([z.array(z.string()), z.string()])
  .transform((value, context): ArmName[] => {
    const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
    const unknown = names.find((name) => !isArm(name));
    if (unknown !== undefined) {
      context.addIssue(`no arm is called "${unknown}"; arms: ${armNames.join(", ")}`);
      return z.NEVER;
    }
    return names.filter(isArm);
  });

/** A list of names, or one comma-separated text. */
const namesSchema = z
  .union([z.array(z.string()), z.string()])
  .transform((value) => (typeof value === "string" ? value.split(",").map((name) => name.trim()) : value))
  .transform((names) => names.filter((name) => name !== ""));

const disgrafsShape = z.strictObject({
  /** The graph store. FalkorDB's licence is the SSPL; Neo4j's is the GPL, and it needs more memory. */
  graph: z.enum(["falkordb", "neo4j"]).default("falkordb"),
  /** Tagging processes on each client. */
  taggers: z.int().min(1).max(64).default(1),
  /** Names of directories that are left out with all their contents, wherever they are. */
  exclude: namesSchema
    .pipe(
      z
        .array(
          z
            .string()
            .refine(
              (name) =>
                name.isWellFormed() &&
                !/[/\p{Cc}]/u.test(name) &&
                !/^\.{1,2}$/.test(name) &&
                Buffer.byteLength(name) <= 255,
              "must be the name of a directory, such as node_modules, without a slash",
            ),
        )
        .max(64),
    )
    .default([]),
});

export const settingsSchema = z.strictObject({
  target: z.enum(["local", "aws"]).default("local"),
  topology: z.enum(["single", "course", "custom"]).default("course"),
  /** Only with `topology: custom`. */
  nodes: z.array(nodeSchema).optional(),
  kernel: z.enum(kernelNames as [Kernel, ...Kernel[]]).default("debian-13"),
  accelerator: z.enum(["auto", "kvm", "tcg"]).default("auto"),
  /** Local target: size of a second NVMe disk of each client. Default: none, or 256 with the extension storage-chain. */
  dataDiskMiB: z.int().min(64).max(65_536).optional(),
  clock: z.enum(["wall", "instructions"]).default("wall"),
  juicefs: juicefsSchema.prefault({}),
  benchmark: z.enum(["none", ...profileNames]).default("none"),
  /** Arms of the benchmark; the baseline is always included. Default: those of the profile. */
  benchmarkArms: armsSchema.optional(),
  /** Rows of the verdict table for which the benchmark measures more blocks until they are decided (docs/benchmarks.md). */
  benchmarkRows: namesSchema.default([]),
  /** Differences smaller than this do not matter. */
  benchmarkMarginPercent: z.number().min(0.1).max(100).default(defaultMarginPercent),
  seed: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(1),
  /** Prometheus and its exporters on the nodes. They take CPU time, so each benchmark records whether they ran. */
  monitoring: z.boolean().default(false),
  /** Ray's own metrics from every Ray node, besides those of its head's state. Costs memory and CPU time on each. */
  rayMetrics: z.boolean().default(false),
  /** Grafana beside Prometheus; `auto`: if its package is available. In YAML, `on` without quotes is true. */
  grafana: z
    .preprocess(
      (value) => (value === true ? "on" : value === false ? "off" : value),
      z.enum(["auto", "on", "off"]),
    )
    .default("auto"),
  /** DisGraFS: true, or an object of its settings. */
  disgrafs: z
    .union([z.boolean(), disgrafsShape])
    .default(false)
    .transform((value) => (value === true ? disgrafsShape.parse({}) : value === false ? undefined : value)),
  extensions: extensionsSchema.prefault({}),
  aws: awsSettings.optional(),
});

const cacheTimes = ["attrCacheSeconds", "entryCacheSeconds", "dirEntryCacheSeconds"] as const;
type CacheTime = (typeof cacheTimes)[number];

export type JuicefsSettings = Omit<z.output<typeof juicefsSchema>, CacheTime> &
  Readonly<Record<CacheTime, number>>;
export interface Settings extends Omit<
  z.output<typeof settingsSchema>,
  "nodes" | "juicefs" | "benchmarkArms"
> {
  readonly nodes: readonly Node[];
  readonly benchmarkArms: readonly ArmName[];
  readonly juicefs: JuicefsSettings;
}

/**
 * @param values the stack's configuration, namespace removed
 * @param stack its name, for the commands in the error message
 * @throws SettingsError with one line for each problem
 */
export function parseSettings(values: Readonly<Record<string, unknown>>, stack = "local"): Settings {
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) {
    throw new SettingsError(parsed.error.issues.flatMap((issue) => describe(issue, values, stack)));
  }
  const settings = parsed.data;
  const { nodes: custom, ...rest } = settings;
  const nodes = nodesOf(settings);
  const problems = [
    ...(custom && settings.topology !== "custom"
      ? ["nodes is set but topology is not custom; set topology to custom, or remove nodes"]
      : []),
    ...topologyProblems(nodes),
    ...nodes.flatMap(({ name, roles: own }) =>
      portClashes(ports, own).map((clash) => `on ${name} the ports clash: ${clash}`),
    ),
    ...storageProblems(settings.juicefs, nodes),
    ...extensionProblems(settings, stack),
    ...disgrafsProblems(settings, nodes, stack),
    ...folderProblems(settings.juicefs),
    ...targetProblems(settings, stack),
    ...rowProblems(settings, stack),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  const benchmarkArms = runArms(settings);
  return {
    ...rest,
    nodes,
    benchmarkArms,
    juicefs: withCacheTimes(settings),
    ...dataDisk(settings, benchmarkArms),
  };
}

type Parsed = z.output<typeof settingsSchema>;

function runArms({ benchmark, benchmarkArms }: Parsed): readonly ArmName[] {
  return benchmark === "none" ? (benchmarkArms ?? defaultArms) : armsFor(benchmark, benchmarkArms);
}

/** Storage chains need a disk for their images. */
function dataDisk(
  { benchmark, dataDiskMiB, extensions: own }: Parsed,
  arms: readonly ArmName[],
): { dataDiskMiB?: number } {
  const needed =
    own["storage-chain"] !== undefined ||
    (benchmark !== "none" && armExtensions(arms).includes("storage-chain"));
  const size = dataDiskMiB ?? (needed ? 256 : undefined);
  return size === undefined ? {} : { dataDiskMiB: size };
}

/** JuiceFS's default cache times of 1 s, or 0 if an extension's guarantee requires it. */
function withCacheTimes({ juicefs, extensions: own }: z.output<typeof settingsSchema>): JuicefsSettings {
  const zero = extensionNames.some((name) => {
    const its = own[name];
    return its !== undefined && (extensions[name].needsZeroCacheTimes?.(its) ?? false);
  });
  return {
    ...juicefs,
    ...Object.fromEntries(cacheTimes.map((name) => [name, juicefs[name] ?? (zero ? 0 : 1)])),
  } as JuicefsSettings;
}

function extensionProblems(
  { juicefs, extensions: own }: z.output<typeof settingsSchema>,
  stack: string,
): string[] {
  const up = (words: string): string => labCommand(stack, `up ${words}`);
  return extensionNames.flatMap((name) => {
    const its = own[name];
    return its === undefined ? [] : (extensions[name].problems?.(its, juicefs, up) ?? []);
  });
}

/** Pulumi prints the message of a RunError alone, without a stack trace. */
export class SettingsError extends RunError {
  constructor(problems: readonly string[]) {
    super(`the stack's settings are invalid:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
  }
}

function nodesOf({ topology, nodes, disgrafs }: z.output<typeof settingsSchema>): Node[] {
  const listed =
    topology === "custom"
      ? (nodes ?? [])
      : topologies[topology].map(({ name, roles: own }) => ({ name, roles: own }));
  return listed.map(({ name, roles: own, ...size }) => ({
    name,
    roles: own,
    ...defaultSize(own, disgrafs?.graph === "neo4j"),
    ...size,
  }));
}

function storageProblems(juicefs: z.output<typeof juicefsSchema>, nodes: readonly Node[]): string[] {
  const clients = nodes.filter(({ roles: own }) => own.includes("client")).length;
  if (clients < 2) return [];
  if (juicefs.storage !== "file") return [];
  return [
    `juicefs.storage is file with ${clients} clients: each would have a separate folder and see names without data; set it to s3`,
  ];
}

function disgrafsProblems(
  { disgrafs, juicefs, benchmark }: z.output<typeof settingsSchema>,
  nodes: readonly Node[],
  stack: string,
): string[] {
  if (!disgrafs) {
    const measured: ProfileFacts | undefined = benchmark === "none" ? undefined : profiles[benchmark];
    return measured?.needs === "disgrafs"
      ? [
          `benchmark ${benchmark} measures DisGraFS, which is off; set it on: ${labCommand(stack, "up -c disgrafs=true")}`,
        ]
      : [];
  }
  const head = nodes.find(({ roles: own }) => own.includes("ray-head"));
  return [
    ...(head && !head.roles.includes("client")
      ? [`disgrafs needs a mount on the Ray head ${head.name}; give it the role client too`]
      : []),
    ...(juicefs.writeback
      ? [
          "disgrafs is on with juicefs.writeback: other clients cannot read a file before it is uploaded; set one of them to false",
        ]
      : []),
  ];
}

function targetProblems(settings: z.output<typeof settingsSchema>, stack: string): string[] {
  const { target, kernel, aws, clock, topology, accelerator, monitoring, grafana, rayMetrics } = settings;
  const problems: string[] = [];
  if (monitoring && kernel === "amazon-linux-2023") {
    problems.push(
      "monitoring is on, but Amazon Linux 2023 has no Prometheus package; set monitoring to false, or choose another kernel",
    );
  }
  if (grafana === "on" && !monitoring) {
    problems.push(
      "grafana is on but monitoring is false, so it would have no data; set monitoring to true, or grafana to auto",
    );
  }
  if (rayMetrics && !monitoring)
    problems.push(
      "rayMetrics is on but monitoring is false, so nothing would read them; set monitoring to true",
    );
  if (target === "aws" && !aws)
    problems.push("target is aws, but aws is not set; docs/aws.md has an example");
  if (target === "local" && !isLocalKernel(kernel)) {
    problems.push(`kernel ${kernel} is for AWS only; kernels of a local lab: ${localKernelNames.join(", ")}`);
  }
  // With accelerator auto, the machine may get KVM, where QEMU cannot count instructions.
  if (clock === "instructions" && (topology !== "single" || accelerator !== "tcg" || target !== "local")) {
    problems.push(
      "clock is instructions, which needs a single emulated local machine: " +
        `${labCommand(stack, "up -c topology=single -c accelerator=tcg")}, or set clock to wall`,
    );
  }
  return problems;
}

function rowProblems(
  { benchmark, benchmarkArms, benchmarkRows, disgrafs }: z.output<typeof settingsSchema>,
  stack: string,
): string[] {
  if (benchmark === "none") return [];
  let arms: readonly ArmName[];
  try {
    arms = armsFor(benchmark, benchmarkArms);
  } catch (error) {
    return [`benchmarkArms: ${(error as Error).message}`];
  }
  try {
    looksOf(benchmark, benchmarkRows);
    matchRows(tableRows(benchmark, arms, disgrafs !== undefined), benchmarkRows);
    return [];
  } catch (error) {
    return [
      `benchmarkRows is ${benchmarkRows.join(",")}: ${(error as Error).message}; remove it with: ${labCommand(stack, "up --unset benchmarkRows")}`,
    ];
  }
}

/** One or more lines for a problem found by zod. */
function describe(
  issue: z.core.$ZodIssue,
  values: Readonly<Record<string, unknown>>,
  stack: string,
): string[] {
  const key = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => unknownKey(key, name, stack));
  }
  const value = at(values, issue.path);
  if (issue.code === "invalid_union") {
    // The form that was meant is the one whose fault is inside the value.
    const meant = issue.errors.find((inner) => inner.some(({ path }) => path.length > 0));
    if (meant) {
      return meant.flatMap((inner) =>
        describe({ ...inner, path: [...issue.path, ...inner.path] }, values, stack),
      );
    }
  }
  return [`${key} is ${JSON.stringify(value)}: ${wordsOf(issue)}; ${fix(issue, value, stack)}`];
}

/** The allowed values, in zod's words. */
function wordsOf(issue: z.core.$ZodIssue): string {
  const words = issue.code === "invalid_union" ? issue.errors.flat().map(wordsOf) : [issue.message];
  return words.map((each) => each.replace(/^Invalid \w+: /, "")).join(", or ");
}

/** The fix: a command line to paste that replaces the rejected value with an allowed one. */
function fix(issue: z.core.$ZodIssue, value: unknown, stack: string): string {
  const key = pathOf(issue.path);
  const allowed = allowedValue(issue) ?? at(settingsSchema.parse({}), issue.path);
  // A missing setting without a default: only the user knows its value.
  if (value === undefined && allowed === undefined)
    return `set it: ${labCommand(stack, `up -c ${quote(`${key}=VALUE`)}`)}`;
  return `fix it with: ${fixCommand(key, allowed, stack)}`;
}

function fixCommand(key: string, allowed: unknown, stack: string): string {
  return typeof allowed === "string" || typeof allowed === "number" || typeof allowed === "boolean"
    ? labCommand(stack, `up -c ${quote(`${key}=${allowed}`)}`)
    : labCommand(stack, `up --unset ${quote(key)}`);
}

/** An allowed value named by the issue itself: the first of a choice, or the end of its range; one more than an exclusive minimum. */
function allowedValue(issue: z.core.$ZodIssue): unknown {
  if (issue.code === "invalid_value") return issue.values[0];
  if (issue.code === "too_small" && issue.origin !== "string" && issue.origin !== "array")
    return issue.inclusive === false ? Number(issue.minimum) + 1 : issue.minimum;
  if (issue.code === "too_big" && issue.origin !== "string" && issue.origin !== "array") return issue.maximum;
  return undefined;
}

function at(values: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner as Record<PropertyKey, unknown> | undefined)?.[step],
    values,
  );
}

function unknownKey(parent: string, name: string, stack: string): string {
  const key = parent === "" ? name : `${parent}.${name}`;
  const shape = shapeAt(parent);
  const known = shape ? Object.keys(shape) : [];
  const near = known.find((candidate) => distance(candidate, name) <= 2);
  const all = known.length > 0 ? `known here: ${known.join(", ")}.` : "";
  const hint = near ? `did you mean ${near}?` : all;
  const remove = `it with: ${labCommand(stack, `up --unset ${quote(key)}`)}`;
  return `${key} is not a setting; ${hint === "" ? "remove" : `${hint} Remove`} ${remove}`;
}

/** In the form of `pulumi config --path`: `nodes[0].name`. */
function pathOf(steps: readonly PropertyKey[]): string {
  return steps
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index > 0 ? "." : ""}${String(step)}`))
    .join("");
}

function shapeAt(path: string): Record<string, unknown> | undefined {
  if (path === "") return settingsSchema.shape;
  if (path === "juicefs") return juicefsSchema.shape;
  if (path === "disgrafs") return disgrafsShape.shape;
  if (path === "extensions") return extensionsSchema.shape;
  if (path.startsWith("extensions.")) return extensionShape(path.slice("extensions.".length));
  if (path === "aws") return awsSettings.shape;
  return path.startsWith("nodes") ? nodeSchema.shape : undefined;
}
