/** What every target (local, AWS) makes and everything after it works on: a machine that answers to SSH. */
import type * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/command";
import type { Kernel } from "./kernels.ts";

/** What a node is for. `meta` holds Redis, `objects` the S3 store; a `client` mounts JuiceFS. */
export const roles = ["meta", "objects", "client", "ray-head", "ray-worker"] as const;
export type Role = (typeof roles)[number];

/** A running machine with a pinned host key. All later resources take machines, never targets. */
export interface Machine {
  /** Unique in the lab; also the host name, as in `./lab ssh NAME`. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** The kernel it must be running: asserted before anything is installed. */
  readonly kernel: Kernel;
  /** The resource whose deletion takes the machine and all that is on it away. */
  readonly resource: pulumi.Resource;
  /** Identity of the machine and its disk: another value means that the disk is new and empty. */
  readonly id: pulumi.Output<string>;
  /** Identity of this boot: another value means that the machine was started again, its disk kept. */
  readonly boot: pulumi.Output<string>;
  /** How to reach it: host, port, user, privateKey (secret), hostKey. */
  readonly connection: pulumi.Output<types.input.remote.ConnectionArgs>;
  /** Prefix of a command line that makes it run as root: empty where the login user is root. */
  readonly become: "" | "sudo -n ";
  /** IPv4 address on the private network that all nodes share. */
  readonly privateAddress: pulumi.Output<string>;
  /** A command line that logs in, for people. */
  readonly sshCommand: pulumi.Output<string>;
  /** True when the CPU is emulated (TCG): timings are then good for ratios only. */
  readonly emulated: pulumi.Output<boolean>;
}

/** The machines that have a role, in the order of the settings. */
export function withRole(machines: readonly Machine[], role: Role): Machine[] {
  return machines.filter((machine) => machine.roles.includes(role));
}
