/**
 * Everything that a stack can be told, checked before any resource exists. One error names each key that is wrong, its
 * value, what is allowed, and the command that mends it.
 */
import { RunError } from "@pulumi/pulumi/errors.js";
import { distance } from "fastest-levenshtein";
import { z } from "zod";
import { isLocalKernel, kernelNames, localKernelNames, type Kernel } from "../provisioning/kernels.ts";
import { roles } from "../provisioning/machine.ts";
import { portClashes, ports } from "../provisioning/ports.ts";
import {
  extensionShape,
  extensionsSchema,
  needsZeroCacheTimes,
} from "../provisioning/extensions/settings.ts";
import { armNames, defaultArms, isArm, type ArmName } from "../benchmarks/arms.ts";
import { profileNames } from "../benchmarks/workloads.ts";
import { awsSettings } from "./aws/settings.ts";
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
  /** Where the clients mount the volume. */
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
  /** An S3 bucket's address, instead of the lab's own store. */
  bucket: z.url().optional(),
});

/** A list of names, or one text with commas between them. */
const armsSchema = z.union([z.array(z.string()), z.string()]).transform((value, context): ArmName[] => {
  const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
  const unknown = names.find((name) => !isArm(name));
  if (unknown !== undefined) {
    context.addIssue(`no arm is called "${unknown}"; arms: ${armNames.join(", ")}`);
    return z.NEVER;
  }
  return names.filter(isArm);
});

export const settingsSchema = z.strictObject({
  target: z.enum(["local", "aws"]).default("local"),
  topology: z.enum(["single", "course", "custom"]).default("course"),
  /** Only with `topology: custom`. */
  nodes: z.array(nodeSchema).optional(),
  kernel: z.enum(kernelNames as [Kernel, ...Kernel[]]).default("debian-13"),
  accelerator: z.enum(["auto", "kvm", "tcg"]).default("auto"),
  clock: z.enum(["wall", "instructions"]).default("wall"),
  juicefs: juicefsSchema.prefault({}),
  benchmark: z.enum(["none", ...profileNames]).default("none"),
  /** Arms of the benchmark; the baseline is always in it. */
  benchmarkArms: armsSchema.default([...defaultArms]),
  seed: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(1),
  /** Prometheus and its exporters on the nodes. They take CPU time, so what is measured says whether they ran. */
  monitoring: z.boolean().default(false),
  extensions: extensionsSchema.prefault({}),
  aws: awsSettings.optional(),
});

const cacheTimes = ["attrCacheSeconds", "entryCacheSeconds", "dirEntryCacheSeconds"] as const;
type CacheTime = (typeof cacheTimes)[number];

export type JuicefsSettings = Omit<z.output<typeof juicefsSchema>, CacheTime> &
  Readonly<Record<CacheTime, number>>;
export interface Settings extends Omit<z.output<typeof settingsSchema>, "nodes" | "juicefs"> {
  readonly nodes: readonly Node[];
  readonly juicefs: JuicefsSettings;
}

/**
 * @param values the stack's configuration, namespace removed
 * @throws Error with one line for each fault
 */
export function parseSettings(values: Readonly<Record<string, unknown>>): Settings {
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) {
    throw new SettingsError(parsed.error.issues.flatMap((issue) => describe(issue, values)));
  }
  const settings = parsed.data;
  const { nodes: custom, ...rest } = settings;
  const nodes = nodesOf(settings);
  const problems = [
    ...(custom && settings.topology !== "custom"
      ? ["nodes is set, and topology is not custom; set topology to custom, or remove nodes"]
      : []),
    ...topologyProblems(nodes),
    ...nodes.flatMap(({ name, roles: own }) =>
      portClashes(ports, own).map((clash) => `on ${name} the ports clash: ${clash}`),
    ),
    ...storageProblems(settings.juicefs, nodes),
    ...cacheTimeProblems(settings),
    ...targetProblems(settings),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...rest, nodes, juicefs: withCacheTimes(settings) };
}

/** Under a lease the kernel must keep nothing by itself: what it kept would be served without asking the extension. */
function withCacheTimes({ juicefs, extensions }: z.output<typeof settingsSchema>): JuicefsSettings {
  const time = needsZeroCacheTimes(extensions.fuse) ? 0 : 1;
  return {
    ...juicefs,
    ...Object.fromEntries(cacheTimes.map((name) => [name, juicefs[name] ?? time])),
  } as JuicefsSettings;
}

function cacheTimeProblems({ juicefs, extensions }: z.output<typeof settingsSchema>): string[] {
  const mode = extensions.fuse?.mode;
  if (needsZeroCacheTimes(extensions.fuse)) {
    return cacheTimes
      .filter((name) => (juicefs[name] ?? 0) > 0)
      .map(
        (name) =>
          `juicefs.${name} is ${juicefs[name]} with extensions.fuse.mode ${mode}: the kernel would keep answers by itself, ` +
          `and that time would add to the bound; remove it (it is 0 then), or set the mode to ttl`,
      );
  }
  if (mode === "ttl" && cacheTimes.every((name) => juicefs[name] === 0)) {
    return [
      "extensions.fuse.mode is ttl and all cache times of juicefs are 0: nothing may be kept for a validity of 0; " +
        "set juicefs.attrCacheSeconds and juicefs.entryCacheSeconds to 1, or the mode to lease",
    ];
  }
  return [];
}

/** Pulumi prints the message of a RunError alone, without a stack trace. */
export class SettingsError extends RunError {
  constructor(problems: readonly string[]) {
    super(`the stack's settings cannot work:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
  }
}

function nodesOf({ topology, nodes }: z.output<typeof settingsSchema>): Node[] {
  if (topology !== "custom") return [...topologies[topology]];
  return (nodes ?? []).map(({ name, roles: own, ...size }) => ({
    name,
    roles: own,
    ...defaultSize(own),
    ...size,
  }));
}

function storageProblems(juicefs: z.output<typeof juicefsSchema>, nodes: readonly Node[]): string[] {
  const clients = nodes.filter(({ roles: own }) => own.includes("client")).length;
  if (clients < 2) return [];
  const problems: string[] = [];
  if (juicefs.storage === "file") {
    problems.push(
      `juicefs.storage is file with ${clients} clients: each would have a folder of its own, and read names without data; set it to s3`,
    );
  }
  const host = juicefs.bucket === undefined ? "" : new URL(juicefs.bucket).hostname;
  if (/^(localhost|127\.|\[?::1)/.test(host)) {
    problems.push(
      `juicefs.bucket is on ${host} with ${clients} clients: each would ask itself; name an address that all reach`,
    );
  }
  return problems;
}

function targetProblems(settings: z.output<typeof settingsSchema>): string[] {
  const { target, kernel, aws, clock, topology, accelerator, monitoring } = settings;
  const problems: string[] = [];
  if (monitoring && kernel === "amazon-linux-2023") {
    problems.push(
      "monitoring is on, and Amazon Linux 2023 has no Prometheus package; set monitoring to false, or kernel to another",
    );
  }
  if (target === "aws" && !aws)
    problems.push("target is aws, and aws is not set; docs/aws.md has an example");
  if (target === "local" && !isLocalKernel(kernel)) {
    problems.push(`kernel ${kernel} is for AWS only; a local lab has ${localKernelNames.join(", ")}`);
  }
  if (clock === "instructions" && (topology !== "single" || accelerator === "kvm" || target !== "local")) {
    problems.push(
      "clock is instructions: that needs one emulated machine here; set topology to single and accelerator to tcg, or clock to wall",
    );
  }
  return problems;
}

/** One line or more for a fault that zod found. */
function describe(issue: z.core.$ZodIssue, values: Readonly<Record<string, unknown>>): string[] {
  const key = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => unknownKey(key, name));
  }
  const value = issue.path.reduce<unknown>(
    (inner, step) => (inner as Record<PropertyKey, unknown> | undefined)?.[step],
    values,
  );
  const example = issue.code === "invalid_value" ? String(issue.values[0]) : "VALUE";
  const flag = issue.path.length > 1 ? "--path " : "";
  return [
    `${key} is ${JSON.stringify(value)}: ${issue.message.replace(/^Invalid \w+: /, "")}; mend it with: ` +
      `pulumi config set ${flag}'${key}' ${example}`,
  ];
}

function unknownKey(parent: string, name: string): string {
  const key = parent === "" ? name : `${parent}.${name}`;
  const shape = shapeAt(parent);
  const known = shape ? Object.keys(shape) : [];
  const near = known.find((candidate) => distance(candidate, name) <= 2);
  const all = known.length > 0 ? `known here: ${known.join(", ")}.` : "";
  const hint = near ? `did you mean ${near}?` : all;
  const flag = parent === "" ? "" : "--path ";
  const remove = `Remove it with: pulumi config rm ${flag}'${key}'`;
  return [`${key} is no setting;`, hint, remove].filter((part) => part !== "").join(" ");
}

/** As `pulumi config --path` takes it: `nodes[0].name`. */
function pathOf(steps: readonly PropertyKey[]): string {
  return steps
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index > 0 ? "." : ""}${String(step)}`))
    .join("");
}

function shapeAt(path: string): Record<string, unknown> | undefined {
  if (path === "") return settingsSchema.shape;
  if (path === "juicefs") return juicefsSchema.shape;
  if (path === "extensions") return extensionsSchema.shape;
  if (path.startsWith("extensions.")) return extensionShape(path.slice("extensions.".length));
  if (path === "aws") return awsSettings.shape;
  return path.startsWith("nodes") ? nodeSchema.shape : undefined;
}
