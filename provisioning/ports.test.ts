import { topologies } from "../stacks/topology.ts";
import { port, portClashes, ports, type Port } from "./ports.ts";

describe("ports", () => {
  it("do not clash on any node of a named topology", () => {
    for (const nodes of Object.values(topologies)) {
      for (const { roles } of nodes) expect(portClashes(ports, roles)).toEqual([]);
    }
  });

  it("do not clash on a node with every role at once", () => {
    expect(portClashes(ports, ["meta", "objects", "client", "ray-head", "ray-worker"])).toEqual([]);
  });

  it("give every node ssh and a node exporter, and both Ray roles the ports of Ray's nodes", () => {
    for (const role of ["meta", "objects", "client", "ray-head", "ray-worker"] as const)
      for (const name of ["ssh", "nodeExporter"] as const) expect(ports[name].roles).toContain(role);
    for (const name of ["rayNodeManager", "rayObjectManager", "rayMetrics", "rayWorkers"] as const)
      expect(ports[name].roles).toEqual(["ray-head", "ray-worker"]);
  });

  it("are not shared if no other node has to reach them", () => {
    const inner = Object.entries(ports).flatMap(([name, { shared }]) => (shared ? [] : [name]));
    expect(inner).toEqual([
      "rayClient",
      ...["weedMaster", "weedMasterGrpc", "weedVolume", "weedVolumeGrpc", "weedFiler", "weedFilerGrpc"],
      ...["s3Grpc", "extensionMetrics", "grafana"],
    ]);
  });

  it("do not use Ray's default, which is Redis's port", () => {
    expect(port("redis")).toBe(6379);
    expect(port("rayGcs")).not.toBe(6379);
  });
});

describe("portClashes", () => {
  const entry = (first: number, last: number, role: "meta" | "client"): Port => ({
    first,
    last,
    roles: [role],
    shared: true,
  });

  it("names both entries, and only if they are on one node", () => {
    const table = { redis: entry(6379, 6379, "meta"), ray: entry(6000, 6500, "client") };
    expect(portClashes(table, ["meta", "client"])).toEqual(["redis (6379) and ray (6000-6500)"]);
    expect(portClashes(table, ["meta"])).toEqual([]);
  });

  it("finds ranges that share one port, at either end, and ignores adjacent ranges", () => {
    const range = entry(6000, 6500, "meta");
    for (const port of [6000, 6500])
      for (const table of [
        { a: range, b: entry(port, port, "meta") },
        { a: entry(port, port, "meta"), b: range },
      ])
        expect(portClashes(table, ["meta"])).toHaveLength(1);
    for (const port of [5999, 6501])
      expect(portClashes({ range, next: entry(port, port, "meta") }, ["meta"])).toEqual([]);
  });

  it("includes the entries of all of a node's roles", () => {
    const both: Port = { ...entry(1, 1, "meta"), roles: ["meta", "client"] };
    expect(portClashes({ both, other: entry(1, 1, "client") }, ["client"])).toEqual([
      "both (1) and other (1)",
    ]);
  });
});
