/** Prometheus on the meta node, and exporters on every node. See docs/monitoring.md. */
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { withRole, type Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { port } from "../ports.ts";
import type { Redis } from "../redis/redis.ts";
import { RemoteFiles, RemoteStep } from "../remote.ts";
import { lookbackSeconds, prometheusConfig, type ScrapeJob } from "./config.ts";

export interface MonitoringArgs {
  readonly machines: readonly Machine[];
  readonly redis: Redis;
  /** Whether DisGraFS runs on the Ray head: it has metrics too. */
  readonly disgrafs: boolean;
  /** Whether every Ray node has Ray's own metrics. */
  readonly rayMetrics: boolean;
  /** Services that must be up before their metrics can be scraped: the mounts. */
  readonly after: readonly pulumi.Resource[];
}

/** It is up when Prometheus has scraped each of its targets. */
export class Monitoring extends pulumi.ComponentResource {
  /** Address of Prometheus, on the private network. */
  readonly prometheus: pulumi.Output<string>;
  /** A command line that makes it reachable at http://127.0.0.1:9090 on this computer. */
  readonly tunnel: pulumi.Output<string>;
  /** Number of targets that it scrapes. */
  readonly targets: pulumi.Output<number>;
  /** To depend on. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Monitoring", name, {}, opts);
    const { machines, redis } = args;
    const [meta] = withRole(machines, "meta");
    if (!meta) throw new Error("monitoring needs a node with the role meta");
    const program = (machine: Machine, file: string): RemoteFiles =>
      new RemoteFiles(
        `${name}-${file.replace(/[._].*/, "")}-${machine.name}`,
        {
          machine,
          source: fileURLToPath(new URL(`./${file}`, import.meta.url)),
          path: `/opt/disgrafs/monitoring/${file}`,
        },
        { parent: this, dependsOn: [...args.after] },
      );
    const exporters = machines.map((machine) => {
      const iostat = program(machine, "iostat.py");
      return new RemoteStep(
        `${name}-exporters-${machine.name}`,
        {
          machine,
          inputs: [iostat.hash],
          run: {
            file: new URL("./exporters.sh", import.meta.url),
            args: [
              machine.privateAddress,
              String(port("nodeExporter")),
              machine === meta ? String(port("redis")) : "",
              String(port("redisExporter")),
              pulumi.interpolate`${meta.privateAddress}:${port("prometheus")}`,
            ],
            stdin: [machine === meta ? redis.password : ""],
          },
          undo: { file: new URL("./exportersStop.sh", import.meta.url) },
        },
        { parent: this, dependsOn: [iostat] },
      );
    });
    // After the other exporters: removing them deletes the folder that contains the program.
    const states = withRole(machines, "ray-head").map((machine) => {
      const state = program(machine, "ray_state.py");
      return new RemoteStep(
        `${name}-ray-state-${machine.name}`,
        {
          machine,
          inputs: [state.hash],
          run: {
            file: new URL("./rayState.sh", import.meta.url),
            args: [venv, machine.privateAddress, String(port("rayGcs")), String(port("rayState"))],
          },
          undo: { file: new URL("./rayStateStop.sh", import.meta.url) },
        },
        { parent: this, dependsOn: [state, ...exporters] },
      );
    });
    const prometheus = new RemoteStep(
      `${name}-prometheus`,
      {
        machine: meta,
        run: {
          file: new URL("./prometheus.sh", import.meta.url),
          args: [
            meta.privateAddress,
            String(port("prometheus")),
            String(lookbackSeconds),
            pulumi.jsonStringify(config(args)),
          ],
        },
        undo: { file: new URL("./prometheusStop.sh", import.meta.url) },
      },
      { parent: this, dependsOn: [...exporters, ...states] },
    );
    this.prometheus = pulumi.interpolate`http://${meta.privateAddress}:${port("prometheus")}`;
    const forward = pulumi.interpolate`-N -L 9090:${meta.privateAddress}:${port("prometheus")}`;
    this.tunnel = pulumi.interpolate`${meta.sshCommand} ${forward}`;
    this.targets = prometheus.stdout.apply(Number);
    this.ready = prometheus;
    this.registerOutputs({ prometheus: this.prometheus, targets: this.targets });
  }
}

function config({ machines, disgrafs, rayMetrics }: MonitoringArgs): pulumi.Output<unknown> {
  const heads = disgrafs ? withRole(machines, "ray-head") : [];
  const rayNodes = machines.filter(({ roles }) => roles.includes("ray-head") || roles.includes("ray-worker"));
  const job = (
    name: string,
    number: number,
    nodes: readonly Machine[],
    more: Pick<ScrapeJob, "seconds"> = {},
  ): pulumi.Output<ScrapeJob> =>
    pulumi.all(nodes.map((machine) => machine.privateAddress)).apply((addresses) => ({
      ...more,
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
      job("ray", port("rayState"), withRole(machines, "ray-head")),
      // Ray's agent takes long to write its 150 KB on an emulated machine.
      ...(rayMetrics ? [job("ray-metrics", port("rayMetrics"), rayNodes, { seconds: 15 })] : []),
      ...(disgrafs
        ? [
            job("disgrafs-index", port("disgrafsIndexMetrics"), heads),
            job("disgrafs-taggers", port("disgrafsTaggerMetrics"), heads),
          ]
        : []),
    ])
    .apply(prometheusConfig);
}
