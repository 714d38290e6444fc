/** What a stack says when it is up: flat, camelCase, for people and for `./lab`. */
import * as pulumi from "@pulumi/pulumi";
import { kernels } from "../provisioning/kernels.ts";
import type { Cluster } from "./cluster.ts";

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

export function nodesOutput({ machines, ready }: Cluster): NodeOutput[] {
  return machines.map(({ name, roles, privateAddress, sshCommand, kernel }) => ({
    name,
    roles,
    kernel: ready[name]?.release ?? pulumi.output(kernels[kernel].title),
    address: privateAddress,
    ssh: sshCommand,
  }));
}

/** A line for each service: what was checked, and the figure that the check gave. */
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

/** Where Prometheus is, and Grafana as its node reaches it where there is one; null without the setting `monitoring`. */
export function monitoringOutput({
  monitoring,
  grafana,
}: Cluster): Record<string, pulumi.Output<string | number>> | null {
  if (!monitoring) return null;
  const { prometheus, tunnel, targets } = monitoring;
  return { prometheus, targets, tunnel, ...(grafana && { grafana: grafana.address }) };
}

/** Where the page of DisGraFS is, and how much it had found when it was checked; null without the setting `disgrafs`. */
export function disgrafsOutput({
  disgrafs,
  disgrafsApi,
  graph,
}: Cluster): Record<string, pulumi.Output<string | number>> | null {
  if (!disgrafs || !disgrafsApi || !graph) return null;
  return { page: disgrafsApi.address, graph: graph.address, files: disgrafs.files, tags: disgrafs.tags };
}

/** What to do next, as Markdown. */
export function readmeOutput({ machines, juicefs, ray, disgrafs }: Cluster): pulumi.Output<string> {
  const client = machines.find(({ roles }) => roles.includes("client"))?.name ?? "";
  const page = disgrafs
    ? "- Find files by what is in them: `./lab find WORD`, or in a browser: `./lab open disgrafs`.\n"
    : "";
  return pulumi.interpolate`# Your lab is up

- Log in: \`./lab ssh ${client}\`; the volume is at \`${juicefs.mountPoint}\` on every client.
- Ray: on the head, \`/opt/disgrafs/venv/bin/python\`, then \`ray.init(address="${ray.address}")\`.
${page}- How it is: \`./lab status\`. Measure it: \`./lab bench\`.
- Take it down: \`./lab down\`; it says what is left, and that should be nothing.
`;
}
