/**
 * The description of an eBPF extension, used before anything is built or loaded. Each folder of bpf/ has one in its
 * extension.ts, and table.ts collects them.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Kernel } from "../provisioning/kernels.ts";
import type { Role } from "../provisioning/machine.ts";

/** Requirements that preflight.sh can check on a machine. */
export type Need = "btf" | "bpffs" | "cgroup2" | "module";

/** The properties of a lab on which an extension's options may depend. */
export interface Surroundings {
  /** Mount point of the volume on the clients. */
  readonly mountPoint: string;
  /** URL of the volume's metadata, without the password. */
  readonly meta: pulumi.Input<string>;
  /** File with that password, on every client. */
  readonly passwordFile: string;
  /** The machine's own address on the private network. */
  readonly privateAddress: pulumi.Input<string>;
}

/** JuiceFS's cache times from the settings, in seconds; undefined if not set. */
export interface CacheTimes {
  readonly attrCacheSeconds?: number | undefined;
  readonly entryCacheSeconds?: number | undefined;
  readonly dirEntryCacheSeconds?: number | undefined;
}

/** The setting that all extensions have. */
interface Common {
  readonly required: boolean;
}

/** A command line to paste that changes settings of the stack: `./lab up`, and `-c KEY=VALUE` or `--unset KEY`. */
export type UpCommand = (words: string) => string;

export interface Extension<Settings extends Common = Common> {
  /** One-line description. */
  readonly title: string;
  /** Supported kernels; on others its verdict is "unsupported". */
  readonly kernels: readonly Kernel[];
  /** Types of its programs: the names of bpf(2) without `BPF_PROG_TYPE_`. */
  readonly programTypes: readonly string[];
  readonly needs: readonly Need[];
  /** Role of the machines on which it runs. */
  readonly role: Role;
  /** Its entry below `extensions` in a stack's settings. */
  readonly settings: z.ZodObject & z.ZodType<Settings>;
  /** Arguments of the loader, each without spaces. */
  options(settings: Settings, surroundings: Surroundings): readonly pulumi.Input<string>[];
  /** Whether its guarantee needs a mount with cache times of 0. Default: no. */
  needsZeroCacheTimes?(settings: Settings): boolean;
  /** Conflicts of these settings with the mount's cache times, one line each with the command that ends it. Default: none. */
  problems?(settings: Settings, cacheTimes: CacheTimes, up: UpCommand): string[];
}

/** Setting of every extension: fail on a machine that cannot run it, instead of only reporting it. */
export const required = z.boolean().default(false);

/** Placeholder in an option for the machine's address on the private network. */
export const privateAddress = "PRIVATE-ADDRESS";

/** Allowed form of a loader's argument: systemd splits the command line at spaces. */
export const loaderWord = /^[\w@%+=:,./-]+$/;

/** Settings of an extension whose options are plain arguments of its loader. */
export function plainSettings(words: readonly string[]) {
  return z.strictObject({
    /** Arguments of the loader, in place of the default ones. */
    options: z
      .array(z.string().regex(loaderWord, "must be a word of letters, digits and @%+=:,./_-"))
      .default([...words]),
    required,
  });
}

export type PlainSettings = z.output<ReturnType<typeof plainSettings>>;

/** The arguments of plainSettings, with the machine's address in place of the placeholder. */
export function plainOptions({ options }: PlainSettings, surroundings: Surroundings): pulumi.Input<string>[] {
  return options.map((word) => (word === privateAddress ? surroundings.privateAddress : word));
}

/** Where Prometheus' node exporter picks up an extension's metrics (Debian's default folder). */
export function metricsFile(name: string): string {
  return `/var/lib/prometheus/node-exporter/disgrafs-${name}.prom`;
}
