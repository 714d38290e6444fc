/**
 * The one table of arms: named changes to the same cluster in the same boot. The first is the baseline. An arm is data
 * (how the volume is mounted) and, for an extension, a script on the node that enables, disables and proves it.
 * To add one, see docs/benchmarks.md.
 */

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
   * Name of a script `benchmarks/arms/<script>` that is called on every client as `enable`, `disable` and `prove`, with
   * the mount point as the second argument. `prove` prints one line of JSON, `{"active": true, "count": 1234}`:
   * `count` must grow during each timed window on the mount, or the point is INVALID.
   */
  readonly script?: string;
  /** Not part of a run unless it is asked for: an extension's arm needs the extension on the nodes. */
  readonly optional?: true;
}

const oneSecond: CacheTimes = { attr: 1, entry: 1, dirEntry: 1 };
const none: CacheTimes = { attr: 0, entry: 0, dirEntry: 0 };
const minute: CacheTimes = { attr: 60, entry: 60, dirEntry: 60 };

/** An arm that differs from the baseline by one extension, whose script has its name. */
const extension = (name: string, title: string): ArmFacts => ({
  title,
  caches: oneSecond,
  script: `${name}.sh`,
  optional: true,
});

export const arms = {
  ttl: {
    title: "JuiceFS's defaults: attributes and entries cached in the kernel for 1 s",
    caches: oneSecond,
  },
  nocache: { title: "all three cache times 0: every look-up asks the daemon", caches: none },
  "ttl-long": {
    title: "cache times of 60 s: what others change is seen a minute late",
    caches: minute,
    optional: true,
  },
  "fuse-latency": extension(
    "fuse-latency",
    "defaults, with every FUSE request timed by eBPF: what watching costs",
  ),
  "packet-dma": extension("packet-dma", "defaults, with every packet copied to user space by XDP"),
  "redis-sockmap": extension(
    "redis-sockmap",
    "defaults, with Redis connections inside a node spliced by eBPF",
  ),
} as const satisfies Record<string, ArmFacts>;

export type ArmName = keyof typeof arms;
export const armNames = Object.keys(arms) as ArmName[];
/** The arms of a run that asks for none by name. */
export const defaultArms = armNames.filter((name) => !("optional" in arms[name]));
export const baselineArm: ArmName = "ttl";
/** Label of the baseline's second turn in each block: the pair is the noise floor. */
export const repeatLabel = `${baselineArm}-again`;
