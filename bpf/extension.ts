/**
 * What the lab must know of an eBPF extension before anything is built or loaded. Each folder of bpf/ says it in its own
 * extension.ts, and table.ts collects them.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Kernel } from "../provisioning/kernels.ts";
import type { Role } from "../provisioning/machine.ts";

/** What preflight.sh can check on a machine. */
export type Need = "btf" | "bpffs" | "cgroup2" | "module";

/** What an extension's options may follow from. */
export interface Surroundings {
  /** Where the volume is mounted on the clients. */
  readonly mountPoint: string;
  /** Address of the volume's metadata, without a password. */
  readonly meta: pulumi.Input<string>;
  /** File with that password, on every client. */
  readonly passwordFile: string;
  /** The machine's own address on the private network. */
  readonly privateAddress: pulumi.Input<string>;
}

/** JuiceFS's cache times as the settings give them, in seconds; undefined where they give none. */
export interface CacheTimes {
  readonly attrCacheSeconds?: number | undefined;
  readonly entryCacheSeconds?: number | undefined;
  readonly dirEntryCacheSeconds?: number | undefined;
}

/** Every extension's settings have this. */
interface Common {
  readonly required: boolean;
}

export interface Extension<Settings extends Common = Common> {
  /** One line for people. */
  readonly title: string;
  /** Kernels of the table that it is made for; elsewhere its verdict is "unsupported". */
  readonly kernels: readonly Kernel[];
  /** Types of its programs, as bpf(2) names them without `BPF_PROG_TYPE_`. */
  readonly programTypes: readonly string[];
  readonly needs: readonly Need[];
  /** Machines that it is for. */
  readonly role: Role;
  /** Its entry below `extensions` in a stack's settings. */
  readonly settings: z.ZodObject & z.ZodType<Settings>;
  /** Words of the loader's command line, without spaces. */
  options(settings: Settings, surroundings: Surroundings): readonly pulumi.Input<string>[];
  /** Whether the mount's own cache times must be 0 for it to keep its promise. Default: no. */
  needsZeroCacheTimes?(settings: Settings): boolean;
  /** One line for each reason why these settings cannot work on such a mount. Default: none. */
  problems?(settings: Settings, cacheTimes: CacheTimes): string[];
}

/** The setting of every extension: fail where a machine cannot run it, instead of only saying so. */
export const required = z.boolean().default(false);

/** An option that stands for the machine's address on the private network. */
export const privateAddress = "PRIVATE-ADDRESS";

/** What a word of a loader's command line may be: systemd splits the line at spaces. */
export const loaderWord = /^[\w@%+=:,./-]+$/;

/** Settings of an extension whose options are plain words of its loader's command line. */
export function plainSettings(words: readonly string[]) {
  return z.strictObject({
    /** Words of the loader's command line, instead of these. */
    options: z
      .array(z.string().regex(loaderWord, "must be a word of letters, digits and @%+=:,./_-"))
      .default([...words]),
    required,
  });
}

export type PlainSettings = z.output<ReturnType<typeof plainSettings>>;

/** The words of plainSettings, with the machine's address where they name it. */
export function plainOptions({ options }: PlainSettings, surroundings: Surroundings): pulumi.Input<string>[] {
  return options.map((word) => (word === privateAddress ? surroundings.privateAddress : word));
}

/** Where Prometheus' node exporter picks up an extension's metrics (Debian's default folder). */
export function metricsFile(name: string): string {
  return `/var/lib/prometheus/node-exporter/disgrafs-${name}.prom`;
}
