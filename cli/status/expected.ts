/** The nodes, services and extensions that a stack should have, from the outputs of its last `up`. */
import { port } from "../../provisioning/ports.ts";
import { nodesOf, type Node } from "../nodes.ts";
import type { Expected, ExpectedService } from "./labStatus.ts";
import type { Questions } from "./nodeReport.ts";

type Outputs = Readonly<Record<string, unknown>>;

interface Service extends ExpectedService {
  /** Whether the lab should have it, according to its outputs. */
  readonly made: (outputs: Outputs) => boolean;
}

const checked =
  (name: string) =>
  ({ health }: Outputs): boolean =>
    Object.hasOwn(health ?? {}, name);
const watched = ({ monitoring }: Outputs): boolean => (monitoring ?? null) !== null;
const searched = ({ disgrafs }: Outputs): boolean => (disgrafs ?? null) !== null;
const every = ["meta", "objects", "client", "ray-head", "ray-worker"];

/** The services of a lab, in the order in which they start. */
const table: readonly Service[] = [
  {
    service: "Redis",
    unit: "redis-server.service",
    roles: ["meta"],
    answers: "redis",
    made: checked("redis"),
  },
  {
    service: "object store",
    unit: "weed.service",
    roles: ["objects"],
    answers: "objects",
    made: checked("objects"),
  },
  {
    service: "JuiceFS",
    unit: "juicefs.service",
    roles: ["client"],
    answers: "mount",
    made: checked("juicefs"),
  },
  { service: "Ray", unit: "ray.service", roles: ["ray-head", "ray-worker"], made: checked("ray") },
  {
    service: "graph",
    unit: "disgrafs-graph.service",
    roles: ["meta"],
    answers: "graph",
    made: searched,
  },
  { service: "DisGraFS index", unit: "disgrafs-index.service", roles: ["ray-head"], made: searched },
  { service: "DisGraFS taggers", unit: "disgrafs-taggers.service", roles: ["ray-head"], made: searched },
  {
    service: "DisGraFS API",
    unit: "disgrafs-api.service",
    roles: ["ray-head"],
    answers: "api",
    made: searched,
  },
  { service: "Prometheus", unit: "prometheus.service", roles: ["meta"], made: watched },
  { service: "node exporter", unit: "prometheus-node-exporter.service", roles: every, made: watched },
  { service: "iostat exporter", unit: "disgrafs-iostat.service", roles: every, made: watched },
  { service: "Redis exporter", unit: "prometheus-redis-exporter.service", roles: ["meta"], made: watched },
  {
    service: "Grafana",
    unit: "grafana-server.service",
    roles: ["meta"],
    made: ({ monitoring }) => Object.hasOwn(monitoring ?? {}, "grafana"),
  },
  { service: "Ray's state", unit: "disgrafs-ray-state.service", roles: ["ray-head"], made: watched },
];

export function expectedOf(stack: string, outputs: Outputs): Expected {
  const verdicts = (outputs.extensionVerdicts ?? []) as {
    extension: string;
    node: string;
    keepLoaded?: boolean;
    verdict: { supported?: boolean };
  }[];
  const facts = (outputs.targetFacts ?? {}) as { clock?: string; expires?: string };
  return {
    stack,
    nodes: nodesOf(stack, outputs),
    services: table.filter(({ made }) => made(outputs)),
    extensions: verdicts
      .filter(({ keepLoaded, verdict }) => keepLoaded === true && verdict.supported === true)
      .map(({ extension, node }) => ({ extension, node })),
    ownClock: facts.clock === "instructions",
    setsClocks: facts.clock === "wall",
    ...(facts.expires !== undefined && { expires: facts.expires }),
  };
}

/** The questions for a node: about its own services, and about those of other nodes that it uses. */
export function questionsFor(node: Node, { nodes, services }: Expected, outputs: Outputs): Questions {
  const has = (service: string): boolean => services.some((each) => each.service === service);
  const at = (role: string, number: number): string => {
    const found = (nodes as readonly (Node & { address?: string })[]).find(({ roles }) =>
      roles.includes(role),
    );
    return found?.address === undefined ? "" : `${found.address}:${number}`;
  };
  const isClient = node.roles.includes("client");
  const isHead = node.roles.includes("ray-head");
  const isMeta = node.roles.includes("meta");
  return {
    mountPoint: isClient && has("JuiceFS") ? String(outputs.mountPoint) : "",
    redis: has("Redis") && (isClient || isMeta) ? at("meta", port("redis")) : "",
    objects: has("object store") && isClient ? at("objects", port("s3")) : "",
    api: isHead && has("DisGraFS API") ? at("ray-head", port("disgrafsApi")) : "",
    prometheus: isMeta && has("Prometheus") ? at("meta", port("prometheus")) : "",
    index: isHead && has("DisGraFS index") ? at("ray-head", port("disgrafsIndexMetrics")) : "",
    taggers: isHead && has("DisGraFS index") ? at("ray-head", port("disgrafsTaggerMetrics")) : "",
    units: services.map(({ unit }) => unit),
  };
}
