/** Prometheus on the meta node, an exporter on every node, and what Grafana needs to show it. See docs/monitoring.md. */
import * as pulumi from "@pulumi/pulumi";
import { withRole, type Machine } from "../machine.ts";
import { port } from "../ports.ts";
import type { Redis } from "../redis/redis.ts";
import { RemoteStep } from "../remote.ts";
import { prometheusConfig, type ScrapeJob } from "./config.ts";

export interface MonitoringArgs {
  readonly machines: readonly Machine[];
  readonly redis: Redis;
  /** Services whose metrics are there only when they are up: the mounts. */
  readonly after: readonly pulumi.Resource[];
}

/** Up means: Prometheus has scraped each of its targets. */
export class Monitoring extends pulumi.ComponentResource {
  /** Address of Prometheus, on the private network. */
  readonly prometheus: pulumi.Output<string>;
  /** A command line that makes it reachable as http://127.0.0.1:9090 on this machine. */
  readonly tunnel: pulumi.Output<string>;
  /** How many targets it scrapes. */
  readonly targets: pulumi.Output<number>;
  /** To depend on. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Monitoring", name, {}, opts);
    const { machines, redis } = args;
    const [meta] = withRole(machines, "meta");
    if (!meta) throw new Error("monitoring needs a node with the role meta");
    const exporters = machines.map(
      (machine) =>
        new RemoteStep(
          `${name}-exporters-${machine.name}`,
          {
            machine,
            run: {
              file: new URL("./exporters.sh", import.meta.url),
              args: [
                machine.privateAddress,
                String(port("nodeExporter")),
                machine === meta ? String(port("redis")) : "",
                String(port("redisExporter")),
              ],
              stdin: [machine === meta ? redis.password : ""],
            },
            undo: { file: new URL("./exportersStop.sh", import.meta.url) },
          },
          { parent: this, dependsOn: [...args.after] },
        ),
    );
    const prometheus = new RemoteStep(
      `${name}-prometheus`,
      {
        machine: meta,
        run: {
          file: new URL("./prometheus.sh", import.meta.url),
          args: [meta.privateAddress, String(port("prometheus")), pulumi.jsonStringify(config(machines))],
        },
        undo: { file: new URL("./prometheusStop.sh", import.meta.url) },
      },
      { parent: this, dependsOn: exporters },
    );
    this.prometheus = pulumi.interpolate`http://${meta.privateAddress}:${port("prometheus")}`;
    const forward = pulumi.interpolate`-N -L 9090:${meta.privateAddress}:${port("prometheus")}`;
    this.tunnel = pulumi.interpolate`${meta.sshCommand} ${forward}`;
    this.targets = prometheus.stdout.apply(Number);
    this.ready = prometheus;
    this.registerOutputs({ prometheus: this.prometheus, targets: this.targets });
  }
}

function config(machines: readonly Machine[]): pulumi.Output<unknown> {
  const job = (name: string, number: number, nodes: readonly Machine[]): pulumi.Output<ScrapeJob> =>
    pulumi.all(nodes.map((machine) => machine.privateAddress)).apply((addresses) => ({
      name,
      targets: nodes.map((machine, index) => ({
        node: machine.name,
        address: `${addresses[index] ?? ""}:${number}`,
      })),
    }));
  return pulumi
    .all([
      job("node", port("nodeExporter"), machines),
      job("redis", port("redisExporter"), withRole(machines, "meta")),
      job("juicefs", port("juicefsMetrics"), withRole(machines, "client")),
    ])
    .apply(prometheusConfig);
}
