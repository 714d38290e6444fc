/** Turns the setting `topology` into a list of nodes with their roles and sizes. */
import type { Role } from "../provisioning/machine.ts";

/** A machine to create. */
export interface Node {
  /** Host name: a-z, 0-9 and inner hyphens. */
  readonly name: string;
  readonly roles: readonly Role[];
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
}

/** Extra memory for Neo4j on the graph's machine: its heap of 384 MiB, and Java. */
const neo4jMiB = 768;

/** Default size of a node by its roles. Ray's processes take most of the memory (docs/records/lab-memory.md). */
export const defaultSize = (roles: readonly Role[], neo4j = false): Omit<Node, "name" | "roles"> => {
  const works = roles.some((role) => role !== "meta" && role !== "objects");
  const servesToo = works && roles.includes("meta");
  const more = neo4j && roles.includes("meta") ? neo4jMiB : 0;
  return { cpus: works ? 2 : 1, memoryMiB: (servesToo ? 2560 : works ? 1792 : 1024) + more, diskGiB: 20 };
};

const node = (name: string, ...roles: Role[]): Node => ({ name, roles, ...defaultSize(roles) });

/** The named topologies. */
export const topologies = {
  single: [node("node1", "meta", "objects", "client", "ray-head")],
  course: [
    node("meta", "meta", "objects"),
    node("node1", "client", "ray-head"),
    node("node2", "client", "ray-worker"),
  ],
} as const satisfies Record<string, readonly Node[]>;

/** The problems of a node list, one line each; empty if there are none. */
export function topologyProblems(nodes: readonly Node[]): string[] {
  const problems: string[] = [];
  const names = nodes.map(({ name }) => name);
  for (const name of new Set(names.filter((name, index) => names.indexOf(name) !== index))) {
    problems.push(`two nodes are called ${name}; give each its own name`);
  }
  const count = (role: Role): number => nodes.filter(({ roles }) => roles.includes(role)).length;
  for (const role of ["meta", "objects", "ray-head"] as const) {
    if (count(role) !== 1) problems.push(`${count(role)} nodes have the role ${role}; exactly one must`);
  }
  if (count("client") === 0)
    problems.push("no node has the role client; at least one must, or nothing mounts the volume");
  for (const { name, roles } of nodes) {
    if (roles.length === 0) problems.push(`${name} has no role; remove it or give it one`);
    if (roles.includes("ray-head") && roles.includes("ray-worker")) {
      problems.push(`${name} is ray-head and ray-worker; the head runs tasks too, so leave ray-worker out`);
    }
  }
  return problems;
}
