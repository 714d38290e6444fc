/** The exact resources of a benchmark, with Pulumi's mocks. */
import * as pulumi from "@pulumi/pulumi";
import type { Machine, Role } from "../provisioning/machine.ts";
import type { Plan } from "./plan.ts";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

const registered: Registered[] = [];
/** The output of steps, by name. */
const answers: Record<string, string> = {};

await pulumi.runtime.setMocks({
  newResource: ({ type, name, inputs }: Registered) => {
    registered.push({ type, name, inputs });
    const plain = name.endsWith("-host") ? '{"load":[3]}' : '{"decided":true,"results":[]}';
    return { id: `${name}-id`, state: { ...inputs, stdout: answers[name] ?? plain } };
  },
  call: ({ inputs }) => inputs as Record<string, unknown>,
});
const { Benchmark } = await import("./benchmark.ts");
const { port } = await import("../provisioning/ports.ts");

class Vm extends pulumi.ComponentResource {}

function machine(name: string, roles: Role[], address: string): Machine {
  return {
    name,
    roles,
    kernel: "debian-13",
    resource: new Vm("test:Vm", name),
    id: pulumi.output(`${name}-disk`),
    boot: pulumi.output("boot"),
    connection: pulumi.secret({ host: "127.0.0.1", port: 2201, user: "root", privateKey: "the private key" }),
    become: "",
    privateAddress: pulumi.output(address),
    sshCommand: pulumi.output("ssh"),
    emulated: pulumi.output(true),
  };
}

const machines = [
  machine("meta", ["meta", "objects"], "10.77.0.10"),
  machine("node1", ["client", "ray-head"], "10.77.0.11"),
  machine("node2", ["client", "ray-worker"], "10.77.0.12"),
];
const common = {
  machines,
  program: import.meta.dirname,
  seed: 1,
  mountPoint: "/mnt/jfs",
  settings: { topology: "course" },
  collector: new URL("../stacks/collectResults.ts", import.meta.url),
  after: [],
};

function value<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply(resolve));
}

const ofType = (type: string): string[] =>
  registered
    .filter((resource) => resource.type === type)
    .map(({ name }) => name)
    .sort();
const commandNamed = (name: string): Record<string, unknown> =>
  registered.find((resource) => resource.type.startsWith("command:") && resource.name === name)!.inputs;

describe("Benchmark", () => {
  const benchmark = new Benchmark("benchmark", {
    ...common,
    profile: "smoke",
    redis: { host: "10.77.0.10", port: port("redis") },
  });

  beforeAll(async () => {
    await value(benchmark.summary);
    await value(benchmark.run);
  });

  it("should put the runner on the clients, a socket that answers on the other nodes, and the driver on the Ray head", () => {
    expect(ofType("command:remote:CopyToRemote")).toEqual([
      "benchmark-arms-node1",
      "benchmark-arms-node2",
      "benchmark-disgrafs_benchmark-node1",
      "benchmark-disgrafs_benchmark-node2",
      "benchmark-program-node1",
      "benchmark-program-node2",
    ]);
    expect(ofType("command:remote:Command")).toEqual([
      "benchmark-answer-meta",
      "benchmark-plan",
      "benchmark-run-1",
      "benchmark-run-2",
    ]);
    expect(ofType("command:local:Command")).toEqual(["benchmark-results"]);
  });

  it("should give the runner the plan, with all clients and the address that drops caches", () => {
    const script = commandNamed("benchmark-plan")["stdin"] as string;
    // The only quoted word that begins like a plan; a single quote in it would be written as '\\''.
    const line = /'(\{"version".*\})'/.exec(script)![1]!;
    const plan = JSON.parse(line.replaceAll(`'\\''`, "'")) as Plan;
    expect(plan).toMatchObject({
      profile: "smoke",
      seed: 1,
      clients: ["node1", "node2"],
      redis: { host: "10.77.0.10", port: 6379 },
      cacheDroppers: ["10.77.0.10"],
    });
  });

  it("should name the run after its settings, and return its folder", async () => {
    const run = await value(benchmark.run);
    expect(run).toEqual({
      id: expect.stringMatching(/^smoke-[0-9a-f]{12}$/) as string,
      path: `results/${run.id}`,
      settingsHash: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      seed: 1,
    });
    expect(commandNamed("benchmark-results")["triggers"]).toEqual([run.id]);
  });

  it("should keep the SSH connection out of the collector's command line", () => {
    const { create, stdin, logging } = commandNamed("benchmark-results");
    expect(create).toMatch(/collectResults\.ts'?$/);
    expect(create).not.toContain("private key");
    expect(JSON.stringify(stdin)).toContain("private key");
    expect(logging).toBe("stderr");
  });

  it("should give the collector the beginning and the hourly cost of a lab on AWS", async () => {
    const cost = { created: "2026-11-25T18:00:00Z", perHour: 0.36 };
    const paid = new Benchmark("paid", {
      ...common,
      cost: pulumi.output(cost),
      profile: "smoke",
      redis: { host: "h", port: 1 },
    });
    await value(paid.summary);
    expect(JSON.stringify(commandNamed("paid-results")["stdin"])).toContain(
      JSON.stringify(JSON.stringify({ cost })).slice(2, -2),
    );
    expect(JSON.stringify(commandNamed("benchmark-results")["stdin"])).not.toContain("created");
  });

  it("should give the collector the volume's parts", async () => {
    const services = { redis: pulumi.output("8.0.2"), "object store": "SeaweedFS 4.03" };
    const other = new Benchmark("services", {
      ...common,
      services,
      profile: "smoke",
      redis: { host: "h", port: 1 },
    });
    await value(other.summary);
    expect(JSON.stringify(commandNamed("services-results")["stdin"])).toContain(
      JSON.stringify(JSON.stringify({ redis: "8.0.2", "object store": "SeaweedFS 4.03" })).slice(2, -2),
    );
  });

  it("should measure up to a look, and end the run only if that is enough", async () => {
    answers["looked-results-10"] = '{"decided":false,"results":[]}';
    answers["looked-results-15"] = '{"decided":true,"results":[]}';
    const looked = new Benchmark("looked", {
      ...common,
      profile: "course",
      rows: ["metadata/statHit"],
      redis: { host: "h", port: 1 },
    });
    await value(looked.summary);
    const names = registered.map(({ name }) => name).filter((name) => name.startsWith("looked-results"));
    expect(names).toEqual(["looked-results-10", "looked-results-15", "looked-results-20", "looked-results"]);
    const goals = [
      ...new Set(
        registered.flatMap(({ type, name, inputs }) => {
          if (!type.startsWith("command:remote:Command") || !name.startsWith("looked-run-")) return [];
          const words = /'?(?:more|last)'? '?(\d+)'? '?(pause|end)'?/.exec(inputs["stdin"] as string);
          return [`${words?.[1]} ${words?.[2]}`];
        }),
      ),
    ];
    expect(goals).toEqual(["10 pause", "15 pause", "15 end"]);
  });

  it("should give the collector this computer's state before the run if the machines are local", async () => {
    const own = new Benchmark("own", {
      ...common,
      onThisComputer: true,
      profile: "smoke",
      redis: { host: "h", port: 1 },
    });
    await value(own.summary);
    expect(commandNamed("own-host")["create"]).toMatch(/host\.ts'?$/);
    expect(JSON.stringify(commandNamed("own-results")["stdin"])).toContain(
      JSON.stringify(JSON.stringify({ host: { load: [3] } })).slice(2, -2),
    );
    expect(ofType("command:local:Command")).not.toContain("benchmark-host");
  });

  it("should refuse a lab without a Ray head or without clients", () => {
    expect(
      () =>
        new Benchmark("other", {
          ...common,
          machines: machines.slice(0, 1),
          profile: "smoke",
          redis: { host: "h", port: 1 },
        }),
    ).toThrow("a benchmark needs a ray-head and a client");
  });
});
