/** A Ray cluster over nodes with the roles ray-head and ray-worker. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { copiedFolder } from "../folder/copiedFolder.ts";
import { withRole, type Machine } from "../machine.ts";
import type { NodeReady } from "../node/node.ts";
import { venv } from "../packages.ts";
import { port, ports } from "../ports.ts";
import { RemoteStep } from "../remote.ts";

export interface RayArgs {
  readonly machines: readonly Machine[];
  /** Versions on each machine, by name. They are compared before anything starts. */
  readonly ready: Readonly<Record<string, NodeReady>>;
  /** For Ray's own metrics: the folder on this computer with the packages they need (workshop/rayMetrics.ts). */
  readonly metrics?: pulumi.Input<string> | undefined;
  /** Size of a node's object store. */
  readonly objectStoreMiB?: number;
}

/** Where the packages for its metrics are on each node. */
const metricsFolder = "/opt/disgrafs/ray-metrics";

interface Check {
  readonly nodes: string[];
  readonly seconds: number;
}

/** Ready when every node is alive and has run a task. */
export class Ray extends pulumi.ComponentResource {
  /** Address of the global control store, for `ray.init(address=...)`. */
  readonly address: pulumi.Output<string>;
  /** Host names that answered. */
  readonly nodes: pulumi.Output<string[]>;
  /** How long one task on every node took, in seconds. */
  readonly taskSeconds: pulumi.Output<number>;
  /** To depend on. */
  readonly check: RemoteStep;

  constructor(name: string, args: RayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Ray", name, {}, opts);
    const { machines, ready } = args;
    const [head] = withRole(machines, "ray-head");
    const expected = head && ready[head.name]?.runtime;
    if (!head || !expected) throw new Error("a Ray cluster needs exactly one ray-head");
    const workers = withRole(machines, "ray-worker");
    const start = (machine: Machine, kind: "head" | "worker", after: pulumi.Resource[]): RemoteStep => {
      const packages =
        args.metrics === undefined
          ? undefined
          : copiedFolder(
              `${name}-metrics`,
              { machine, source: args.metrics, folder: metricsFolder, suffix: `-${machine.name}` },
              { parent: this, dependsOn: after },
            );
      return new RemoteStep(
        `${name}-${kind}-${machine.name}`,
        {
          machine,
          inputs: packages ? [packages.hash] : [],
          run: {
            file: new URL("./start.sh", import.meta.url),
            args: [
              kind,
              venv,
              machine.privateAddress,
              head.privateAddress,
              head.boot,
              String(port("rayGcs")),
              JSON.stringify(resources(machine)),
              expected,
              String(args.objectStoreMiB ?? 100),
              packages ? metricsFolder : "",
              String(port("rayClient")),
              ...portOptions(),
            ],
          },
          undo: { file: new URL("./stop.sh", import.meta.url) },
          timeoutSeconds: 1800,
        },
        { parent: this, dependsOn: packages ? [packages] : after },
      );
    };
    const after = Object.values(ready).map(({ step }) => step);
    const headStep = start(head, "head", after);
    const all = [headStep, ...workers.map((machine) => start(machine, "worker", [headStep]))];
    this.address = pulumi.interpolate`${head.privateAddress}:${port("rayGcs")}`;
    this.check = new RemoteStep(
      `${name}-check`,
      {
        machine: head,
        run: {
          file: new URL("./check.sh", import.meta.url),
          args: [venv, head.privateAddress, String(port("rayGcs")), String(all.length)],
          stdin: readFileSync(new URL("./check.py", import.meta.url), "utf8")
            .trimEnd()
            .split("\n"),
        },
        // Check again after a node was restarted.
        inputs: [head, ...workers].map(({ boot }) => boot),
        timeoutSeconds: 900,
      },
      { parent: this, dependsOn: all },
    );
    const result = this.check.stdout.apply((text) => JSON.parse(text) as Check);
    this.nodes = result.nodes;
    this.taskSeconds = result.seconds;
    this.registerOutputs({ address: this.address, nodes: this.nodes });
  }
}

/** Custom Ray resources of a node, used to pin tasks to clients. */
export function resources({ name, roles }: Machine): Record<string, number> {
  return roles.includes("client") ? { [`client_${name}`]: 1 } : {};
}

/** Options of `ray start` that pin every port of a Ray node. */
export function portOptions(): string[] {
  const { first, last } = ports.rayWorkers;
  const pinned = {
    "node-manager-port": port("rayNodeManager"),
    "object-manager-port": port("rayObjectManager"),
    "runtime-env-agent-port": port("rayRuntimeEnvAgent"),
    "dashboard-agent-grpc-port": port("rayDashboardAgentGrpc"),
    "dashboard-agent-listen-port": port("rayDashboardAgent"),
    "metrics-export-port": port("rayMetrics"),
    "min-worker-port": first,
    "max-worker-port": last,
  };
  return Object.entries(pinned).map(([option, value]) => `--${option}=${value}`);
}
