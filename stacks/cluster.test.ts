import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { settled } from "../tests/support/graph.ts";
import { cacheFolder, inCheckout } from "../workshop/checkout.ts";

const made: pulumi.runtime.MockResourceArgs[] = [];
/** Some files, in place of those that are assembled and copied to machines. */
const someFiles = fileURLToPath(new URL("../provisioning/graph/neo4j/server", import.meta.url));

await pulumi.runtime.setMocks(
  {
    newResource: (args) => {
      made.push(args);
      const answers: Record<string, string> = {
        "redis-password": "canary-password",
        "objects-access-key": "canary-access",
        "objects-secret-key": "canary-secret",
        "graph-password": "canary-graph",
        "disgrafs-api-token": "canary-token",
        neo4j: JSON.stringify({ build: relative(cacheFolder, someFiles) }),
        "ray-metrics": JSON.stringify({ build: relative(cacheFolder, someFiles) }),
        "grafana-password": "canary-grafana",
        "disgrafs-check": '{"files": 5, "tags": 7, "seconds": 1.5}',
        "ray-check": '{"nodes": ["node1", "node2"], "seconds": 1}',
        network: '{"stack": "graph-test", "owner": "owner-1", "revision": 1}',
        "login-key": '{"privateKey": "canary-private", "publicKey": "ssh-ed25519 AAAA login"}',
      };
      const answer =
        answers[args.name] ??
        (args.name.endsWith("host-key")
          ? `{"privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----\\nAAAA\\n-----END OPENSSH PRIVATE KEY-----\\n", "publicKey": "ssh-ed25519 AAAA host"}`
          : args.name.endsWith("-vm")
            ? '{"id": "disk-1", "boot": "boot-1", "port": 40001, "accelerator": "tcg"}'
            : "6.12 3.13.5 2.60.0");
      return { id: `${args.name}-id`, state: { ...(args.inputs as object), stdout: answer } };
    },
    call: (args) => args.inputs as object,
  },
  "disgrafs-lab",
  "graph-test",
);

const { makeCluster } = await import("./cluster.ts");
type Sources = Parameters<typeof makeCluster>[2];
const { localMachines } = await import("./local/index.ts");
const { parseSettings } = await import("./settings.ts");

/** Builds a lab and returns its commands by name. */
async function graph(
  values: Record<string, unknown>,
  sources: Sources = {},
): Promise<Map<string, pulumi.runtime.MockResourceArgs>> {
  made.length = 0;
  const settings = parseSettings({ benchmark: "none", ...values });
  if (settings.kernel !== "debian-13") throw new Error("the mock image is debian-13");
  makeCluster(settings, localMachines({ ...settings, kernel: settings.kernel }, settings.nodes), sources);
  await settled(() => made.length);
  return new Map(made.filter(({ type }) => type.startsWith("command:")).map((args) => [args.name, args]));
}

describe("the graph of a local lab", () => {
  it("has exactly these commands in the course topology", async () => {
    const commands = await graph({});
    expect([...commands.keys()].sort()).toEqual(
      [
        ...["image", "network", "login-key", "meta-host-key", "node1-host-key", "node2-host-key"],
        ...["meta-vm", "node1-vm", "node2-vm", "meta-ready", "node1-ready", "node2-ready"],
        ...["redis-password", "redis-start", "redis-check-node1", "redis-check-node2"],
        ...[
          "objects-access-key",
          "objects-secret-key",
          "objects-start",
          "objects-check-node1",
          "objects-check-node2",
        ],
        ...["juicefs-format", "juicefs-mount-node1", "juicefs-mount-node2", "juicefs-write-node1"],
        ...["juicefs-write-node2", "juicefs-read-node1", "juicefs-read-node2"],
        ...["ray-head-node1", "ray-worker-node2", "ray-check"],
      ].sort(),
    );
  });

  it("has one machine and no worker in the single topology", async () => {
    const names = [...(await graph({ topology: "single" })).keys()];
    expect(names.filter((name) => name.endsWith("-vm"))).toEqual(["node1-vm"]);
    expect(names.filter((name) => name.startsWith("ray-"))).toEqual(["ray-head-node1", "ray-check"]);
  });

  it("has DisGraFS only on request, on the nodes that it needs", async () => {
    expect([...(await graph({})).keys()].filter((name) => /graph|disgrafs/.test(name))).toEqual([]);
    const commands = await graph({ disgrafs: true });
    expect([...commands.keys()].filter((name) => /graph|disgrafs/.test(name)).sort()).toEqual(
      [
        ...["graph-password", "graph-start", "graph-check-node1", "disgrafs-start", "disgrafs-check"],
        ...["meta", "node1", "node2"].flatMap((node) => [
          ...["place", "files"].map((step) => `disgrafs-${step}-${node}`),
          `disgrafs-api-command-${node}`,
        ]),
        ...["disgrafs-write-node1", "disgrafs-write-node2"],
        ...["disgrafs-api-token", "disgrafs-api-vendor", "disgrafs-api-start"],
      ].sort(),
    );
    const text = (name: string): string => JSON.stringify(commands.get(name)?.inputs);
    expect(text("disgrafs-start")).toContain("falkordb://10.77.0.10:6390");
    expect(text("disgrafs-start")).toContain(" .disgrafs-benchmark ");
    const excluding = await graph({ disgrafs: { exclude: ["my data", ".git"] } });
    expect(JSON.stringify(excluding.get("disgrafs-start")?.inputs)).toContain(
      " .disgrafs-benchmark/my%20data/.git ",
    );
    // The page is on the Ray head, and every node can access it.
    for (const name of ["disgrafs-api-start", "disgrafs-api-command-meta"]) {
      expect(text(name)).toContain("10.77.0.11:8088");
    }
    // The change log exists before the first mount, which uses it.
    expect(text("juicefs-format")).toMatch(/disgrafs true <</);
    expect(text("juicefs-mount-node2")).toContain("--backup-meta=0' true");
  });

  it("has Neo4j in place of FalkorDB on request", async () => {
    const commands = await graph({ disgrafs: { graph: "neo4j" } });
    const names = [...commands.keys()].filter((name) => /graph|neo4j/.test(name)).sort();
    expect(names).toEqual(
      ["neo4j", "graph-password", "graph-place", "graph-files", "graph-start", "graph-check-node1"].sort(),
    );
    const text = (name: string): string => JSON.stringify(commands.get(name)?.inputs);
    expect(text("disgrafs-start")).toContain("neo4j://10.77.0.10:6390");
    expect(text("graph-start")).toContain("Description=Neo4j");
    expect(text("graph-check-node1")).toContain("GraphDatabase.driver");
  });

  it("has Grafana on the meta node if its package and Prometheus are available, with the password only in secret input", async () => {
    const file = inCheckout("package.json");
    const names = async (values: Record<string, unknown>, grafana?: string): Promise<string[]> =>
      [...(await graph(values, { grafana })).keys()].filter((name) => name.includes("grafana"));
    expect(await names({ monitoring: true })).toEqual([]);
    expect(await names({}, file)).toEqual([]);
    const commands = await graph({ monitoring: true }, { grafana: file });
    const { create, stdin, connection } = (commands.get("grafana-start")?.inputs ?? {}) as Record<
      string,
      unknown
    >;
    expect([...commands.keys()].filter((name) => name.includes("grafana")).sort()).toEqual([
      "grafana-files",
      "grafana-package",
      "grafana-password",
      "grafana-start",
    ]);
    expect(create).toBe("timeout -k 10 1800 bash -s run");
    expect(JSON.stringify(stdin)).toContain(
      "run /opt/disgrafs/grafana 3000 http://10.77.0.10:9090 13.2.3 8 disgrafs no <<'END'\\ncanary-grafana",
    );
    const ofMeta = commands.get("meta-ready")?.inputs as Record<string, unknown>;
    expect(connection).toEqual(ofMeta.connection);
    const required = await graph({ monitoring: true, grafana: "on" }, { grafana: file });
    expect(JSON.stringify(required.get("grafana-start")?.inputs)).toContain("13.2.3 8 disgrafs yes <<");
  });

  it("copies the packages of Ray's own metrics to every Ray node, and scrapes each, only with rayMetrics", async () => {
    const without = await graph({ monitoring: true });
    expect([...without.keys()].filter((name) => name.includes("ray-metrics"))).toEqual([]);
    expect(JSON.stringify(without.get("monitoring-prometheus")?.inputs)).not.toContain(":6385");
    const commands = await graph({ monitoring: true, rayMetrics: true });
    for (const node of ["node1", "node2"]) {
      const kind = node === "node1" ? "head" : "worker";
      expect(commands.has(`ray-metrics-files-${node}`)).toBe(true);
      expect(JSON.stringify(commands.get(`ray-${kind}-${node}`)?.inputs)).toContain(
        "100 /opt/disgrafs/ray-metrics 10001 --node-manager-port=6381",
      );
    }
    const scraped = JSON.stringify(commands.get("monitoring-prometheus")?.inputs);
    expect(scraped).toContain("10.77.0.11:6385");
    expect(scraped).toContain("10.77.0.12:6385");
  });

  it("sends every remote script over standard input, with a remote time limit and no environment", async () => {
    const remote = [...(await graph({})).values()].filter(({ type }) => type === "command:remote:Command");
    expect(remote.length).toBeGreaterThan(15);
    for (const { inputs } of remote as { inputs: Record<string, unknown> }[]) {
      expect(inputs.create).toMatch(/^timeout -k 10 \d+ bash -s run$/);
      expect(inputs.update).toBe(inputs.create);
      expect(inputs.environment).toBeUndefined();
      expect(inputs.addPreviousOutputInEnv).toBe(false);
      expect(inputs.triggers).toEqual(["disk-1"]);
    }
  });

  it("has passwords and keys only in secret standard input", async () => {
    for (const { name, inputs } of (
      await graph({ disgrafs: true, monitoring: true }, { grafana: inCheckout("package.json") })
    ).values()) {
      const { stdin, connection, ...open } = inputs as Record<string, unknown>;
      expect(`${name} ${JSON.stringify(open)}`).not.toContain("canary");
      const isSecret = (value: unknown): boolean =>
        typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
      for (const value of [stdin, connection]) {
        if (JSON.stringify(value ?? "").includes("canary")) expect(isSecret(value)).toBe(true);
      }
    }
  });

  it("gives JuiceFS the settings' cache times, and an address without a password", async () => {
    const commands = await graph({ juicefs: { attrCacheSeconds: 7 } });
    const mount = JSON.stringify(commands.get("juicefs-mount-node2")?.inputs);
    expect(mount).toContain("--attr-cache=7 --entry-cache=1 --dir-entry-cache=1");
    expect(mount).toContain("redis://10.77.0.10:6379/0");
  });
});
