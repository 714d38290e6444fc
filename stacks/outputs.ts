/** The stack's outputs: flat, camelCase, for users and for `./lab`. */
import * as pulumi from "@pulumi/pulumi";
import { kernels } from "../provisioning/kernels.ts";
import type { Cluster } from "./cluster.ts";
import { labCommand } from "./labCommand.ts";

/** A node in the output `nodes`. */
export interface NodeOutput {
  readonly name: string;
  readonly roles: readonly string[];
  /** `uname -r`. */
  readonly kernel: pulumi.Output<string>;
  readonly address: pulumi.Output<string>;
  /** Command line that logs in, run from the checkout. */
  readonly ssh: pulumi.Output<string>;
}

export function nodesOutput({ machines, ready }: Cluster): NodeOutput[] {
  return machines.map(({ name, roles, privateAddress, sshCommand, kernel }) => ({
    name,
    roles,
    kernel: ready[name]?.release ?? pulumi.output(kernels[kernel].title),
    address: privateAddress,
    ssh: sshCommand,
  }));
}

/** One line for each service: what was checked, and the measured value. */
export function healthOutput({
  redis,
  objects,
  juicefs,
  ray,
  graph,
  disgrafs,
}: Cluster): Record<string, pulumi.Output<string>> {
  return {
    redis: pulumi.interpolate`Redis ${redis.version}: a client's GET takes ${redis.roundTripUs} us`,
    ...(objects && {
      objects: pulumi.interpolate`SeaweedFS ${objects.version}: every client has put and got an object`,
    }),
    juicefs: pulumi.interpolate`JuiceFS ${juicefs.version}: each client has read the files of all ${juicefs.seen} clients`,
    ray: pulumi.interpolate`Ray: a task ran on each of ${ray.nodes.apply((nodes) => nodes.join(", "))} in ${ray.taskSeconds} s`,
    ...(graph && { graph: pulumi.interpolate`${graph.product}: it answers with the password only` }),
    ...(disgrafs && {
      disgrafs: pulumi.interpolate`DisGraFS: each client's file was found by its tag, the slowest after ${disgrafs.searchableSeconds} s`,
    }),
  };
}

/** Addresses of Prometheus and, if present, of Grafana as seen from its node; null without the setting `monitoring`. */
export function monitoringOutput({
  monitoring,
  grafana,
}: Cluster): Record<string, pulumi.Output<string | number>> | null {
  if (!monitoring) return null;
  const { prometheus, tunnel, targets } = monitoring;
  return { prometheus, targets, tunnel, ...(grafana && { grafana: grafana.address }) };
}

/** Address of DisGraFS's page, and its counts at the check; null without the setting `disgrafs`. */
export function disgrafsOutput({
  disgrafs,
  disgrafsApi,
  graph,
}: Cluster): Record<string, pulumi.Output<string | number>> | null {
  if (!disgrafs || !disgrafsApi || !graph) return null;
  return { page: disgrafsApi.address, graph: graph.address, files: disgrafs.files, tags: disgrafs.tags };
}

/** Next steps for the user, as Markdown. */
export function readmeOutput({ machines, juicefs, ray, disgrafs }: Cluster): pulumi.Output<string> {
  const lab = (command: string): string => labCommand(pulumi.getStack(), command);
  const client = machines.find(({ roles }) => roles.includes("client"))?.name ?? "";
  const page = disgrafs
    ? `- Find files by content: \`${lab("find WORD")}\`, or in a browser: \`${lab("open disgrafs")}\`.\n`
    : "";
  return pulumi.interpolate`# Your lab is up

- Log in: \`${lab(`ssh ${client}`)}\`; the volume is at \`${juicefs.mountPoint}\` on every client.
- Ray: on the head, \`/opt/disgrafs/venv/bin/python\`, then \`ray.init(address="${ray.address}")\`.
${page}- Check its state: \`${lab("status")}\`. Measure it: \`${lab("bench")}\`.
- Remove it: \`${lab("down")}\`. It prints what is left: 0.
`;
}
