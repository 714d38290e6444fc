/** A machine that answers SSH: the interface between the targets (local, AWS), which create it, and all services. */
import type * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/command";
import type { Kernel } from "./kernels.ts";

/** Roles of nodes. `meta` runs Redis, `objects` the S3 store; a `client` mounts JuiceFS. */
export const roles = ["meta", "objects", "client", "ray-head", "ray-worker"] as const;
export type Role = (typeof roles)[number];

/** A running machine with a pinned host key. All later resources take machines, never targets. */
export interface Machine {
  /** Unique in the lab; also the host name, and NAME in `./lab ssh NAME`. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** The kernel that must be running. It is checked before anything is installed. */
  readonly kernel: Kernel;
  /** The resource whose deletion removes the machine and everything on it. */
  readonly resource: pulumi.Resource;
  /** Identity of the machine and its disk: a new value means a new, empty disk. */
  readonly id: pulumi.Output<string>;
  /** Identity of this boot: a new value means that the machine was restarted with the same disk. */
  readonly boot: pulumi.Output<string>;
  /** SSH parameters: host, port, user, privateKey (secret), hostKey. */
  readonly connection: pulumi.Output<types.input.remote.ConnectionArgs>;
  /** Prefix that makes a command run as root; empty if the login user is root. */
  readonly become: "" | "sudo -n ";
  /** IPv4 address on the private network that all nodes share. */
  readonly privateAddress: pulumi.Output<string>;
  /** Command line with which a user logs in. */
  readonly sshCommand: pulumi.Output<string>;
  /** True if the CPU is emulated (TCG). Timings are then meaningful only as ratios. */
  readonly emulated: pulumi.Output<boolean>;
}

/** The machines with a role, in the order of the settings. */
export function withRole(machines: readonly Machine[], role: Role): Machine[] {
  return machines.filter((machine) => machine.roles.includes(role));
}
