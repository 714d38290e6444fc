import * as pulumi from "@pulumi/pulumi";
import { settled } from "../tests/support/graph.ts";

const made: pulumi.runtime.MockResourceArgs[] = [];

await pulumi.runtime.setMocks(
  {
    newResource: (args) => {
      made.push(args);
      const answers: Record<string, string> = {
        "redis-password": "canary-password",
        "objects-access-key": "canary-access",
        "objects-secret-key": "canary-secret",
        "ray-check": '{"nodes": ["node1", "node2"], "seconds": 1}',
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

const { lab } = await import("./lab.ts");
const { localMachines } = await import("./local/index.ts");
const { parseSettings } = await import("./settings.ts");

/** Makes a lab and gives its commands by name. */
async function graph(values: Record<string, unknown>): Promise<Map<string, pulumi.runtime.MockResourceArgs>> {
  made.length = 0;
  const settings = parseSettings({ benchmark: "none", ...values });
  if (settings.kernel !== "debian-13") throw new Error("the mock image is debian-13");
  lab(settings, localMachines({ ...settings, kernel: settings.kernel }, settings.nodes));
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

  it("sends every remote script over standard input, with a deadline on the far side, and no environment", async () => {
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

  it("has passwords and keys in nothing but secret standard input", async () => {
    for (const { name, inputs } of (await graph({})).values()) {
      const { stdin, connection, ...open } = inputs as Record<string, unknown>;
      expect(`${name} ${JSON.stringify(open)}`).not.toContain("canary");
      const isSecret = (value: unknown): boolean =>
        typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
      for (const value of [stdin, connection]) {
        if (JSON.stringify(value ?? "").includes("canary")) expect(isSecret(value)).toBe(true);
      }
    }
  });

  it("gives JuiceFS the settings' cache times and no password in its address", async () => {
    const commands = await graph({ juicefs: { attrCacheSeconds: 7 } });
    const mount = JSON.stringify(commands.get("juicefs-mount-node2")?.inputs);
    expect(mount).toContain("--attr-cache=7 --entry-cache=1 --dir-entry-cache=1");
    expect(mount).toContain("redis://10.77.0.10:6379/0");
  });
});
