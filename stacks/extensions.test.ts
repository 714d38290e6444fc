import * as pulumi from "@pulumi/pulumi";
import type { Machine, Role } from "../provisioning/machine.ts";
import { usesOf } from "./extensions.ts";

await pulumi.runtime.setMocks({
  newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
  call: () => ({}),
});

const machine = (name: string, roles: Role[]): Machine => ({
  name,
  roles,
  kernel: "debian-13",
  resource: new pulumi.ComponentResource("test:Machine", name),
  id: pulumi.output("disk"),
  boot: pulumi.output("boot"),
  connection: pulumi.output({ host: "127.0.0.1" }),
  become: "",
  privateAddress: pulumi.output("10.0.0.1"),
  sshCommand: pulumi.output("ssh"),
  emulated: pulumi.output(true),
});
const machines = [machine("meta", ["meta"]), machine("node1", ["client"]), machine("node2", ["client"])];
const on = { required: false, options: [] };

const uses = (...args: [Parameters<typeof usesOf>[0], Parameters<typeof usesOf>[2]]): string[] =>
  usesOf(args[0], machines, args[1]).map(
    ({ extension, machine: { name }, keepLoaded }) =>
      `${extension} ${name} ${keepLoaded ? "stays" : "stops"}`,
  );

describe("usesOf", () => {
  it("loads an extension of the settings on the machines of its role", () => {
    expect(uses({ "fuse-latency": on, "redis-sockmap": on }, [])).toEqual([
      "fuse-latency node1 stays",
      "fuse-latency node2 stays",
      "redis-sockmap meta stays",
    ]);
  });

  it("tries an arm's extension on every client, without keeping it loaded", () => {
    expect(uses({}, ["packet-dma"])).toEqual(["packet-dma node1 stops", "packet-dma node2 stops"]);
  });

  it("uses an extension of both only once per machine", () => {
    expect(uses({ "fuse-latency": on, "redis-sockmap": on }, ["fuse-latency", "redis-sockmap"])).toEqual([
      "fuse-latency node1 stays",
      "fuse-latency node2 stays",
      "redis-sockmap meta stays",
      "redis-sockmap node1 stops",
      "redis-sockmap node2 stops",
    ]);
  });
});
