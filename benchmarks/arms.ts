/**
 * The one table of arms: named changes to the same cluster in the same boot. The first is the baseline. An arm is data
 * (how the volume is mounted) and, where that is not enough, a script on the node that enables, disables and proves it.
 * To add one, see docs/benchmarks.md.
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
  /** Proven after every mount from what the mount itself says (`.config`). */
  readonly caches: CacheTimes;
  /** More variables for juicefs.service, written to /run/disgrafs/juicefs-arm.env. Never secrets. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * A script in `benchmarks/arms/` and its first arguments. It is called on every client with `check`, `enable`, `prove`
   * or `disable` and the mount point after these; docs/benchmarks.md says what each must do.
   */
  readonly script?: readonly [file: string, ...words: string[]];
  /** The extension that is put on every client before the run, and left to the script to start. */
  readonly extension?: ExtensionName;
  /** Not part of a run unless the setting benchmarkArms names it. */
  readonly optional?: true;
  /** It changes lookups on the data disk and not the mount: for the profile `lookups` alone. */
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

/** An arm of lookups on the data disk (docs/storage-chain.md): a door in one mode, or one of its rivals. */
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
    title: "cache times of 300 s: what others change is seen up to five minutes late",
    caches: long,
    optional: true,
  },
  "client-cache": {
    title: "defaults, and JuiceFS's own cache of metadata, which Redis tells of changes (client-cache=true)",
    caches: oneSecond,
    environment: { JUICEFS_META_QUERY: "?client-cache=true" },
    script: ["clientCache.sh"],
    optional: true,
  },
  "fuse-notify": fuse(
    "notify",
    long,
    "ttl-long, and what others change is dropped when Redis tells; no module",
  ),
  "fuse-ttl": fuse("ttl", oneSecond, "defaults, and the kernel answers again what is still valid"),
  "fuse-lease": fuse(
    "lease",
    none,
    "cache times 0, and the kernel answers while Redis tells of every change",
  ),
  "fuse-read": fuse(
    "read",
    oneSecond,
    "defaults, and the kernel reads what the node's block cache has; attributes as fuse-lease, up to 1 s older",
  ),
  "fuse-lease-read": fuse(
    "lease-read",
    none,
    "fuse-lease, and the kernel reads what the node's block cache has",
  ),
  "fuse-off": fuse(
    "off",
    oneSecond,
    "defaults, with every request shown to the FUSE extension, which answers none",
  ),
  "fuse-latency": unit(
    "fuse-latency",
    "defaults, with every FUSE request timed by eBPF: what watching costs",
  ),
  "packet-dma": unit("packet-dma", "defaults, with every packet copied to user space by XDP"),
  "redis-sockmap": {
    ...unit("redis-sockmap", "defaults, with Redis connections inside a node spliced by eBPF"),
    script: ["redisSockmap.sh"],
  },
  monitoring: {
    title: "defaults, with the client's exporters running and asked by Prometheus: what watching costs",
    caches: oneSecond,
    script: ["monitoring.sh"],
    optional: true,
  },
  "chain-wq": lookups("wq", "a lookup is one read; a worker asks for the next node", "storage-chain"),
  "chain-poll": lookups(
    "poll",
    "a lookup is one polled read; the poller asks for the next node",
    "storage-chain",
  ),
  "chain-irq": lookups("irq", "a lookup is one read; the interrupt asks for the next node", "storage-chain"),
  "dm-pread": lookups("dm-pread", "pread through a linear device: device-mapper's own cost", "storage-chain"),
  "io-uring": lookups("io-uring", "a read for each node, by io_uring, also one at a time"),
  "io-uring-poll": lookups("io-uring-poll", "a polled read for each node, by io_uring: chain-poll's rival"),
} as const satisfies Record<string, ArmFacts>;

export type ArmName = keyof typeof arms;
export const armNames = Object.keys(arms) as ArmName[];
export function isArm(name: string): name is ArmName {
  return name in arms;
}
/** The arms of a run that asks for none by name. */
export const defaultArms = armNames.filter((name) => !("optional" in arms[name]));
export const baselineArm: ArmName = "ttl";
/** The extensions that arms need on the clients. */
export function armExtensions(names: readonly ArmName[]): ExtensionName[] {
  return names.flatMap((name) => {
    const { extension }: ArmFacts = arms[name];
    return extension === undefined ? [] : [extension];
  });
}

/** Label of the baseline's second turn in each block: the pair is the noise floor. */
export const repeatLabel = `${baselineArm}-again`;
