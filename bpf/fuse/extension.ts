/** Description of the FUSE extension (docs/fuse-extension.md). Its options depend on the mount and its Redis. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { localKernelNames } from "../../provisioning/kernels.ts";
import {
  metricsFile,
  required,
  type CacheTimes,
  type Extension,
  type Surroundings,
  type UpCommand,
} from "../extension.ts";

const opcodes = ["lookup", "getattr"] as const;
type Opcode = (typeof opcodes)[number];

/** A list of names, or one comma-separated text, as a command line sets it. */
const opcodesSchema = z.union([z.array(z.string()), z.string()]).transform((value, context): Opcode[] => {
  const isOpcode = (name: string): name is Opcode => opcodes.some((opcode) => opcode === name);
  const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
  const unknown = names.find((name) => !isOpcode(name));
  if (unknown !== undefined || names.length === 0) {
    const reason = unknown === undefined ? "no opcode is named" : `no opcode is called "${unknown}"`;
    context.addIssue(`${reason}; opcodes: ${opcodes.join(", ")}`);
    return z.NEVER;
  }
  return names.filter(isOpcode);
});

const settings = z.strictObject({
  /**
   * lease: answer while Redis reports every change; ttl: answer for the remaining validity from the daemon; shadow: like lease,
   * but the daemon is asked as well and the answers are compared; off: hooked, answers nothing.
   */
  mode: z.enum(["lease", "ttl", "shadow", "off"]).default("lease"),
  /** Maximum age of an answer under a lease, in milliseconds. */
  boundMs: z.int().min(10).max(60_000).default(100),
  /** Requests answered in the kernel. */
  opcodes: opcodesSchema.default([...opcodes]),
  /**
   * cache: under a lease, read() is answered from the blocks that JuiceFS has cached on the node; after-pages: only what the
   * mount's own pages do not have.
   */
  reads: z.enum(["off", "cache", "after-pages"]).default("off"),
  /** Under a lease, the kernel itself keeps an answer for most of the lease, and asks neither the extension nor the daemon. */
  kernelCache: z.boolean().default(false),
  required,
});
export type FuseSettings = z.output<typeof settings>;

export const fuse = {
  title: "FUSE requests answered in the kernel while nothing has changed (a kernel module and its agent)",
  // The builder builds the module for the local kernels only.
  kernels: localKernelNames,
  programTypes: ["RAW_TRACEPOINT_WRITABLE"],
  needs: ["btf", "bpffs", "module"],
  role: "client",
  settings,
  options: loaderOptions,
  needsZeroCacheTimes,
  problems: (own, cacheTimes, up) => [...leaseProblems(own, up), ...cacheTimeProblems(own, cacheTimes, up)],
} as const satisfies Extension<FuseSettings>;

function loaderOptions(
  { mode, boundMs, opcodes: answered, reads, kernelCache }: FuseSettings,
  { mountPoint, meta, passwordFile }: Surroundings,
): pulumi.Input<string>[] {
  return [
    ...["--loader", "--mount", mountPoint],
    ...["--meta", meta, "--password-file", passwordFile],
    ...(mode === "shadow" ? ["--mode", "lease", "--shadow"] : ["--mode", mode]),
    ...["--bound", String(boundMs), "--opcodes", answered.join(",")],
    ...(reads === "off" ? [] : ["--reads", reads]),
    ...(kernelCache ? ["--kernel-cache", "on"] : []),
    ...["--prometheus", metricsFile("fuse"), "--interval", "15"],
  ];
}

/** Under a lease the kernel must not cache anything itself, because it would serve that without asking the extension. */
function needsZeroCacheTimes({ mode }: FuseSettings): boolean {
  return mode === "lease" || mode === "shadow";
}

/** Only a lease determines the current version of a file, and how long an answer may be kept. */
function leaseProblems({ mode, reads, kernelCache }: FuseSettings, up: UpCommand): string[] {
  if (mode === "lease") return [];
  const problems = [];
  if (reads !== "off") {
    problems.push(
      `extensions.fuse.reads is ${reads} with extensions.fuse.mode ${mode}: blocks are read in the kernel only under a lease; ` +
        `set the mode to lease, or switch reads off: ${up("-c extensions.fuse.reads=off")}`,
    );
  }
  if (kernelCache) {
    problems.push(
      `extensions.fuse.kernelCache is true with extensions.fuse.mode ${mode}: the kernel keeps answers only under a lease; ` +
        `set the mode to lease, or switch it off: ${up("-c extensions.fuse.kernelCache=false")}`,
    );
  }
  return problems;
}

function cacheTimeProblems(own: FuseSettings, cacheTimes: CacheTimes, up: UpCommand): string[] {
  const names = ["attrCacheSeconds", "entryCacheSeconds", "dirEntryCacheSeconds"] as const;
  if (needsZeroCacheTimes(own)) {
    return names
      .filter((name) => (cacheTimes[name] ?? 0) > 0)
      .map(
        (name) =>
          `juicefs.${name} is ${cacheTimes[name]} with extensions.fuse.mode ${own.mode}: the kernel would cache answers ` +
          `itself, which would add to the bound; set the mode to ttl, or remove this setting so that it is 0: ` +
          up(`--unset juicefs.${name}`),
      );
  }
  if (own.mode === "ttl" && names.every((name) => cacheTimes[name] === 0)) {
    return [
      "extensions.fuse.mode is ttl but all cache times of juicefs are 0, so nothing can be cached; " +
        `set the mode to lease, or cache times: ${up("-c juicefs.attrCacheSeconds=1 -c juicefs.entryCacheSeconds=1")}`,
    ];
  }
  return [];
}
