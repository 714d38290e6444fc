/**
 * The table of all TCP ports that a lab uses. Clashes are detected before any resource is created. Redis and Ray both default
 * to 6379, and Ray picks a random port if that is taken, so all of Ray's ports are pinned here.
 */
import type { Role } from "./machine.ts";

export interface Port {
  /** Inclusive range; a single port if both are equal. */
  readonly first: number;
  readonly last: number;
  /** Roles whose nodes listen on it. */
  readonly roles: readonly Role[];
  /** True if other nodes of the lab connect to it, not only the node itself. */
  readonly shared: boolean;
}

const one = (port: number, roles: readonly Role[], shared = true): Port => ({
  first: port,
  last: port,
  roles,
  shared,
});
const anyNode: readonly Role[] = ["meta", "objects", "client", "ray-head", "ray-worker"];
const rayNode: readonly Role[] = ["ray-head", "ray-worker"];

export const ports = {
  ssh: one(22, anyNode),
  redis: one(6379, ["meta"]),
  rayGcs: one(6380, ["ray-head"]),
  rayNodeManager: one(6381, rayNode),
  rayObjectManager: one(6382, rayNode),
  rayRuntimeEnvAgent: one(6383, rayNode),
  rayDashboardAgentGrpc: one(6384, rayNode),
  rayMetrics: one(6385, rayNode),
  rayDashboardAgent: one(6386, rayNode),
  // Only with Ray's own metrics: with their packages, `ray start` also serves remote drivers, and has no option to not do so.
  rayClient: one(10001, ["ray-head"], false),
  rayWorkers: { first: 20000, last: 20199, roles: rayNode, shared: true },
  weedMaster: one(9333, ["objects"], false),
  weedMasterGrpc: one(19333, ["objects"], false),
  weedVolume: one(8080, ["objects"], false),
  weedVolumeGrpc: one(18080, ["objects"], false),
  weedFiler: one(8888, ["objects"], false),
  weedFilerGrpc: one(18888, ["objects"], false),
  s3: one(8333, ["objects"]),
  s3Grpc: one(18333, ["objects"], false),
  graph: one(6390, ["meta"]),
  disgrafsApi: one(8088, ["ray-head"]),
  disgrafsIndexMetrics: one(9437, ["ray-head"]),
  disgrafsTaggerMetrics: one(9438, ["ray-head"]),
  rayState: one(9439, ["ray-head"]),
  juicefsMetrics: one(9567, ["client"]),
  nodeExporter: one(9100, anyNode),
  redisExporter: one(9121, ["meta"]),
  extensionMetrics: one(9435, ["client"], false),
  benchmarkCaches: one(9436, ["meta", "objects"]),
  prometheus: one(9090, ["meta"]),
  grafana: one(3000, ["meta"], false),
} as const satisfies Record<string, Port>;

export type PortName = keyof typeof ports;

/** The port number of a single-port entry. */
export function port(name: PortName): number {
  return ports[name].first;
}

/** One line for each pair of entries that overlap on a node with the given roles; empty if there are none. */
export function portClashes(table: Readonly<Record<string, Port>>, nodeRoles: readonly Role[]): string[] {
  const here = Object.entries(table).filter(([, entry]) =>
    entry.roles.some((role) => nodeRoles.includes(role)),
  );
  return here.flatMap(([a, x], index) =>
    here
      .slice(index + 1)
      .filter(([, y]) => x.first <= y.last && y.first <= x.last)
      .map(([b, y]) => `${a} (${range(x)}) and ${b} (${range(y)})`),
  );
}

function range(entry: Port): string {
  return entry.first === entry.last ? String(entry.first) : `${entry.first}-${entry.last}`;
}
