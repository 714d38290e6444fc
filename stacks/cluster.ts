/** Creates the services on the machines, in the order in which a lab starts. The same for every target. */
import * as pulumi from "@pulumi/pulumi";
import { withRole, type Machine, type Role } from "../provisioning/machine.ts";
import { DisgrafsApi } from "../provisioning/disgrafs/api.ts";
import { Disgrafs } from "../provisioning/disgrafs/disgrafs.ts";
import { Graph } from "../provisioning/graph/graph.ts";
import { Juicefs } from "../provisioning/juicefs/juicefs.ts";
import { Grafana } from "../provisioning/monitoring/grafana/grafana.ts";
import { Monitoring } from "../provisioning/monitoring/monitoring.ts";
import { NodeReady } from "../provisioning/node/node.ts";
import { Objects, type ObjectStore } from "../provisioning/objects/objects.ts";
import { Ray } from "../provisioning/ray/ray.ts";
import { Redis } from "../provisioning/redis/redis.ts";
import { ensureFolder } from "../workshop/ensure.ts";
import { neo4jKey } from "../workshop/neo4j.ts";
import { rayMetricsKey } from "../workshop/rayMetrics.ts";
import type { Settings } from "./settings.ts";

export interface Cluster {
  readonly machines: readonly Machine[];
  readonly ready: Readonly<Record<string, NodeReady>>;
  readonly redis: Redis;
  /** Undefined if the target has its own object store. */
  readonly objects: Objects | undefined;
  readonly juicefs: Juicefs;
  readonly ray: Ray;
  readonly graph: Graph | undefined;
  readonly disgrafs: Disgrafs | undefined;
  readonly disgrafsApi: DisgrafsApi | undefined;
  readonly monitoring: Monitoring | undefined;
  readonly grafana: Grafana | undefined;
  /** The services behind the volume besides JuiceFS, with versions. */
  readonly services: Readonly<Record<string, pulumi.Output<string>>>;
  /** Resources that must be up before anything runs on the lab. */
  readonly up: readonly pulumi.Resource[];
}

/** Name of the JuiceFS volume, and of the bucket in the lab's own store. */
export const volume = "disgrafs";

/** Optional inputs of the services from outside the lab. */
export interface Sources {
  /** The target's own object store, such as S3 on AWS. If it is absent, the lab runs one. */
  readonly store?: ObjectStore | undefined;
  /** File of Grafana's package. If it is absent, the lab has no Grafana. */
  readonly grafana?: pulumi.Input<string> | undefined;
}

/** Creates all services of a lab. */
export function makeCluster(
  settings: Settings,
  machines: readonly Machine[],
  { store, grafana: grafanaFile }: Sources = {},
): Cluster {
  const ready = Object.fromEntries(
    machines.map((machine) => [machine.name, new NodeReady(`${machine.name}-ready`, machine)]),
  );
  const dependsOn = Object.values(ready).map(({ step }) => step);
  const clients = withRole(machines, "client");
  const redis = new Redis("redis", { machine: only(machines, "meta"), clients }, { dependsOn });
  const objects = store
    ? undefined
    : new Objects("objects", { machine: only(machines, "objects"), clients, bucket: volume }, { dependsOn });
  const juicefs = new Juicefs("juicefs", {
    clients,
    redis,
    objects: objects ?? store ?? never(),
    volume,
    options: settings.juicefs,
    changelog: settings.disgrafs !== undefined,
  });
  const rayMetrics = settings.rayMetrics
    ? ensureFolder("ray-metrics", "rayMetrics", rayMetricsKey())
    : undefined;
  const ray = new Ray("ray", { machines, ready, metrics: rayMetrics });
  const graph = settings.disgrafs
    ? new Graph(
        "graph",
        {
          machine: only(machines, "meta"),
          users: withRole(machines, "ray-head"),
          ...(settings.disgrafs.graph === "neo4j" && { neo4j: ensureFolder("neo4j", "neo4j", neo4jKey()) }),
        },
        { dependsOn },
      )
    : undefined;
  const disgrafs =
    graph && settings.disgrafs
      ? new Disgrafs("disgrafs", {
          machines,
          juicefs,
          ray,
          graph,
          taggers: settings.disgrafs.taggers,
          exclude: settings.disgrafs.exclude,
        })
      : undefined;
  const disgrafsApi = disgrafs ? new DisgrafsApi("disgrafs-api", { machines, disgrafs }) : undefined;
  const monitoring = settings.monitoring
    ? new Monitoring("monitoring", {
        machines,
        redis,
        disgrafs: disgrafs !== undefined,
        rayMetrics: rayMetrics !== undefined,
        after: [...juicefs.ready, ray.check, ...(disgrafs ? [disgrafs.check] : [])],
      })
    : undefined;
  const grafana =
    monitoring && grafanaFile !== undefined
      ? new Grafana(
          "grafana",
          {
            machine: only(machines, "meta"),
            file: grafanaFile,
            prometheus: monitoring.prometheus,
            required: settings.grafana === "on",
          },
          { dependsOn: [monitoring.ready] },
        )
      : undefined;
  const up = [
    ...juicefs.ready,
    ray.check,
    ...(disgrafs ? [disgrafs.check] : []),
    ...(disgrafsApi ? disgrafsApi.checks : []),
    ...(monitoring ? [monitoring.ready] : []),
    ...(grafana ? [grafana.ready] : []),
  ];
  const { storage } = settings.juicefs;
  const services = {
    redis: redis.version,
    "object store":
      storage === "s3" ? (objects ?? store ?? never()).product : pulumi.output("a folder of each client"),
  };
  return {
    machines,
    ready,
    redis,
    objects,
    juicefs,
    ray,
    graph,
    disgrafs,
    disgrafsApi,
    monitoring,
    grafana,
    services,
    up,
  };
}

function only(machines: readonly Machine[], role: Role): Machine {
  const [machine] = withRole(machines, role);
  return machine ?? never();
}

/** The settings are already checked: each of these roles has exactly one node. */
function never(): never {
  throw new Error("internal error: the settings check accepted a lab without a meta or objects node");
}
