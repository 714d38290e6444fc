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

  it("keep Ray away from Redis' port, its own default", () => {
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

  it("names both entries, and only where they meet on one node", () => {
    const table = { redis: entry(6379, 6379, "meta"), ray: entry(6000, 6500, "client") };
    expect(portClashes(table, ["meta", "client"])).toEqual(["redis (6379) and ray (6000-6500)"]);
    expect(portClashes(table, ["meta"])).toEqual([]);
  });
});
