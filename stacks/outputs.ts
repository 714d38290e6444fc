/** What a stack says when it is up: flat, camelCase, for people and for `./lab`. */
import * as pulumi from "@pulumi/pulumi";
import { kernels } from "../provisioning/kernels.ts";
import type { Lab } from "./lab.ts";

/** A node as people want to know it. */
export interface NodeOutput {
  readonly name: string;
  readonly roles: readonly string[];
  /** `uname -r`. */
  readonly kernel: pulumi.Output<string>;
  readonly address: pulumi.Output<string>;
  /** A command line that logs in, from the checkout. */
  readonly ssh: pulumi.Output<string>;
}

export function nodesOutput({ machines, ready }: Lab): NodeOutput[] {
  return machines.map(({ name, roles, privateAddress, sshCommand, kernel }) => ({
    name,
    roles,
    kernel: ready[name]?.release ?? pulumi.output(kernels[kernel].title),
    address: privateAddress,
    ssh: sshCommand,
  }));
}

/** A line for each service: what was checked, and the figure that the check gave. */
export function healthOutput({ redis, objects, juicefs, ray }: Lab): Record<string, pulumi.Output<string>> {
  return {
    redis: pulumi.interpolate`Redis ${redis.version}: a client's GET takes ${redis.roundTripUs} us`,
    ...(objects && {
      objects: pulumi.interpolate`SeaweedFS ${objects.version}: every client has put and got an object`,
    }),
    juicefs: pulumi.interpolate`JuiceFS ${juicefs.version}: each client has read the files of all ${juicefs.seen} clients`,
    ray: pulumi.interpolate`Ray: a task ran on each of ${ray.nodes.apply((nodes) => nodes.join(", "))} in ${ray.taskSeconds} s`,
  };
}

/** Where Prometheus is; null without the setting `monitoring`. */
export function monitoringOutput({ monitoring }: Lab): Record<string, pulumi.Output<string | number>> | null {
  if (!monitoring) return null;
  const { prometheus, tunnel, targets } = monitoring;
  return { prometheus, targets, tunnel };
}

/** What to do next, as Markdown. */
export function readmeOutput({ machines, juicefs, ray }: Lab): pulumi.Output<string> {
  const client = machines.find(({ roles }) => roles.includes("client"))?.name ?? "";
  return pulumi.interpolate`# Your lab is up

- Log in: \`./lab ssh ${client}\`; the volume is at \`${juicefs.mountPoint}\` on every client.
- Ray: on the head, \`/opt/disgrafs/venv/bin/python\`, then \`ray.init(address="${ray.address}")\`.
- How it is: \`./lab status\`. Measure it: \`./lab bench\`.
- Take it down: \`./lab down\`; it says what is left, and that should be nothing.
`;
}
