/**
 * The table of arms: named variants of the same cluster within one boot. The first is the baseline. An arm consists of mount
 * options and, if needed, a script on the node that enables, verifies and disables it. To add one, see docs/benchmarks.md.
 */
import type { ExtensionName } from "../bpf/table.ts";

/** JuiceFS's kernel cache times in seconds: attributes, file entries, directory entries. */
export interface CacheTimes {
  readonly attr: number;
  readonly entry: number;
  readonly dirEntry: number;
}

export interface ArmFacts {
  /** One line for the report. */
  readonly title: string;
  /** Verified after every mount from the mount's `.config`. */
  readonly caches: CacheTimes;
  /** More variables for juicefs.service, written to /run/disgrafs/juicefs-arm.env. Never secrets. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * A script in `benchmarks/arms/` and its first arguments. It is called on every client with these, then `check`, `enable`,
   * `prove` or `disable`, and the mount point; docs/benchmarks.md specifies the actions.
   */
  readonly script?: readonly [file: string, ...words: string[]];
  /** The extension that is installed on every client before the run, and started by the script. */
  readonly extension?: ExtensionName;
  /** Its extension answers read() from the block cache: it must do so in each window of a workload that reads cached data. */
  readonly reads?: true;
  /** Its workloads on the volume use a folder of the node's own disk instead: only for the profile `reads`. */
  readonly local?: true;
  /** Part of a run only if the setting benchmarkArms names it. */
  readonly optional?: true;
  /** It changes lookups on the data disk instead of the mount: only for the profile `lookups`. */
  readonly lookups?: true;
}

const oneSecond: CacheTimes = { attr: 1, entry: 1, dirEntry: 1 };
const none: CacheTimes = { attr: 0, entry: 0, dirEntry: 0 };
const long: CacheTimes = { attr: 300, entry: 300, dirEntry: 300 };

/** An arm that differs from the baseline by one extension's unit. */
function unit(extension: ExtensionName, title: string): ArmFacts & { readonly optional: true } {
  return { title, caches: oneSecond, script: ["unit.sh", extension], extension, optional: true };
}

/** An arm of the FUSE extension (docs/fuse-extension.md): its agent in one mode. */
function fuse(mode: string, caches: CacheTimes, title: string): ArmFacts & { readonly optional: true } {
  return { title, caches, script: ["fuse.sh", mode], extension: "fuse", optional: true };
}

/** An arm of lookups on the data disk (docs/storage-chain.md): a door in one mode, or an alternative to it. */
function lookups(way: string, title: string, extension?: "storage-chain") {
  const arm = { title, caches: oneSecond, script: ["chain.sh", way], optional: true, lookups: true } as const;
  return extension === undefined ? arm : { ...arm, extension };
}

export const arms = {
  ttl: {
    title: "JuiceFS's defaults: attributes and entries cached in the kernel for 1 s",
    caches: oneSecond,
  },
  nocache: { title: "all three cache times 0: every look-up asks the daemon", caches: none },
  "ttl-long": {
    title: "cache times of 300 s: other clients' changes appear up to five minutes late",
    caches: long,
    optional: true,
  },
  "client-cache": {
    title: "defaults, and JuiceFS's own metadata cache, which Redis notifies of changes (client-cache=true)",
    caches: oneSecond,
    environment: { JUICEFS_META_QUERY: "?client-cache=true" },
    script: ["clientCache.sh"],
    optional: true,
  },
  "fuse-notify": fuse(
    "notify",
    long,
    "ttl-long, with entries dropped when Redis reports a change; no module",
  ),
  "fuse-ttl": fuse("ttl", oneSecond, "defaults, and the extension answers while an answer is still valid"),
  "fuse-lease": fuse("lease", none, "cache times 0, and the kernel answers while Redis reports every change"),
  "fuse-lease-keep": fuse(
    "lease-keep",
    none,
    "fuse-lease, and the kernel keeps each answer for most of the lease",
  ),
  "fuse-read": {
    ...fuse(
      "read",
      oneSecond,
      "defaults, and what the kernel has not cached is read from the node's block cache; attributes as in fuse-lease, up to 1 s older",
    ),
    reads: true,
  },
  "fuse-lease-read": {
    ...fuse("lease-read", none, "fuse-lease, and the kernel reads from the node's block cache"),
    reads: true,
  },
  "fuse-lease-keep-read": {
    ...fuse(
      "lease-keep-read",
      none,
      "fuse-lease-keep, and what the kernel has not cached is read from the node's block cache",
    ),
    reads: true,
  },
  "fuse-off": fuse(
    "off",
    oneSecond,
    "defaults, with every request passed to the FUSE extension, which answers none",
  ),
  "fuse-latency": unit(
    "fuse-latency",
    "defaults, with every FUSE request timed by eBPF: the cost of tracing",
  ),
  "packet-dma": unit("packet-dma", "defaults, with every packet copied to user space by XDP"),
  "redis-sockmap": {
    ...unit("redis-sockmap", "defaults, with Redis connections inside a node spliced by eBPF"),
    script: ["redisSockmap.sh"],
  },
  monitoring: {
    title: "defaults, with the client's exporters scraped by Prometheus: the cost of monitoring",
    caches: oneSecond,
    script: ["monitoring.sh"],
    optional: true,
  },
  local: {
    title: "the same files on the node's own disk, without the volume: the limit",
    caches: oneSecond,
    local: true,
    optional: true,
  },
  "chain-wq": lookups("wq", "a lookup is one read; a worker requests the next node", "storage-chain"),
  "chain-poll": lookups(
    "poll",
    "a lookup is one polled read; the poller requests the next node",
    "storage-chain",
  ),
  "chain-irq": lookups("irq", "a lookup is one read; the interrupt requests the next node", "storage-chain"),
  "dm-pread": lookups("dm-pread", "pread through a linear device: device-mapper's own cost", "storage-chain"),
  "io-uring": lookups("io-uring", "a read for each node, by io_uring, also one at a time"),
  "io-uring-poll": lookups(
    "io-uring-poll",
    "a polled read for each node, by io_uring: the alternative to chain-poll",
  ),
} as const satisfies Record<string, ArmFacts>;

export type ArmName = keyof typeof arms;
export const armNames = Object.keys(arms) as ArmName[];
export function isArm(name: string): name is ArmName {
  return name in arms;
}
/** The arms of a run whose settings name none. */
export const defaultArms = armNames.filter((name) => !("optional" in arms[name]));
export const baselineArm: ArmName = "ttl";
/** The extensions that arms need on the clients. */
export function armExtensions(names: readonly ArmName[]): ExtensionName[] {
  return names.flatMap((name) => {
    const { extension }: ArmFacts = arms[name];
    return extension === undefined ? [] : [extension];
  });
}

/** Label of the baseline's second turn in each block; the difference of the pair is the noise floor. */
export const repeatLabel = `${baselineArm}-again`;
