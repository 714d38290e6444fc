/**
 * The graph store of DisGraFS: FalkorDB in a separate Redis, or Neo4j. Both use the same unit, so that one replaces the
 * other.
 */
import * as pulumi from "@pulumi/pulumi";
import { copiedFolder } from "../folder/copiedFolder.ts";
import type { Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { port } from "../ports.ts";
import { RemoteStep, type ScriptCall } from "../remote.ts";
import { secretText } from "../secret.ts";

export interface GraphArgs {
  /** The node with the role `meta`. */
  readonly machine: Machine;
  /** Nodes that use it. Each gets the password in a file and checks its access. */
  readonly users: readonly Machine[];
  /** For Neo4j instead of FalkorDB: the folder on this computer with its server (workshop/neo4j.ts). */
  readonly neo4j?: pulumi.Input<string>;
}

/** Path of Neo4j's server on its machine. */
const neo4jFolder = "/opt/disgrafs/neo4j";

/** Ready when every user node has queried it. */
export class Graph extends pulumi.ComponentResource {
  /** Address, in the form of DISGRAFS_GRAPH; the password is in a file on each user's machine. */
  readonly address: pulumi.Output<string>;
  /** The store with its version. */
  readonly product: pulumi.Output<string>;
  /** To depend on. */
  readonly checks: readonly RemoteStep[];

  constructor(name: string, args: GraphArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Graph", name, {}, opts);
    const { machine, users, neo4j } = args;
    const password = secretText(`${name}-password`, this);
    const where = [machine.privateAddress, String(port("graph"))];
    const after = opts?.dependsOn ? { dependsOn: opts.dependsOn } : {};
    const server =
      neo4j === undefined
        ? undefined
        : copiedFolder(name, { machine, source: neo4j, folder: neo4jFolder }, { parent: this, ...after });
    const script = (file: string, ...rest: pulumi.Input<string>[]): ScriptCall => ({
      file: new URL(`./${server ? "neo4j/" : ""}${file}`, import.meta.url),
      args: [...where, ...rest],
      stdin: [password],
    });
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine,
        run: server
          ? script("start.sh", neo4jFolder, venv, machine.emulated.apply(String))
          : script("start.sh", venv),
        undo: { file: new URL("./stop.sh", import.meta.url) },
        inputs: server ? [server.hash] : [],
        // Java starts slowly in emulation.
        timeoutSeconds: server ? 1200 : 1000,
      },
      { parent: this, ...(server ? { dependsOn: [server] } : after) },
    );
    this.checks = users.map(
      (user) =>
        new RemoteStep(
          `${name}-check-${user.name}`,
          {
            machine: user,
            run: server ? script("check.sh", venv) : script("check.sh"),
            undo: { file: new URL("./forget.sh", import.meta.url) },
            inputs: [machine.boot],
          },
          { parent: this, dependsOn: [start] },
        ),
    );
    const scheme = server ? "neo4j" : "falkordb";
    this.address = pulumi.interpolate`${scheme}://${machine.privateAddress}:${port("graph")}`;
    this.product = pulumi.interpolate`${server ? "Neo4j" : "FalkorDB"} ${start.stdout}`;
    this.registerOutputs({ address: this.address, product: this.product });
  }
}
