/**
 * The graph store of DisGraFS: FalkorDB, as a module of an instance of Redis that holds nothing else, or Neo4j. Both have
 * the same unit, so one takes the other's place.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { port } from "../ports.ts";
import { RemoteFiles, RemoteStep, type ScriptCall } from "../remote.ts";
import { secretText } from "../secret.ts";

export interface GraphArgs {
  /** The node with the role `meta`. */
  readonly machine: Machine;
  /** Nodes that use it: each checks that it can, and gets the password in a file. */
  readonly users: readonly Machine[];
  /** Neo4j instead of FalkorDB: the folder on this computer that has its server (workshop/neo4j.ts). */
  readonly neo4j?: pulumi.Input<string>;
}

/** Where Neo4j's server is on its machine. */
const neo4jFolder = "/opt/disgrafs/neo4j";

/** Up means: every user has asked it something. */
export class Graph extends pulumi.ComponentResource {
  /** As DISGRAFS_GRAPH has it; the password is in a file on each user's machine. */
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
    const server = neo4j === undefined ? undefined : this.copyNeo4j(name, machine, neo4j, after);
    const script = (file: string, ...rest: string[]): ScriptCall => ({
      file: new URL(`./${server ? "neo4j/" : ""}${file}`, import.meta.url),
      args: [...where, ...rest],
      stdin: [password],
    });
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine,
        run: server ? script("start.sh", neo4jFolder, venv) : script("start.sh", venv),
        undo: { file: new URL("./stop.sh", import.meta.url) },
        inputs: server ? [server.hash] : [],
        // Java takes its time to start in emulation.
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

  private copyNeo4j(
    name: string,
    machine: Machine,
    source: pulumi.Input<string>,
    after: pulumi.ResourceOptions,
  ): RemoteFiles {
    const place = new RemoteStep(
      `${name}-place`,
      {
        machine,
        run: { file: new URL("./neo4j/place.sh", import.meta.url), args: [neo4jFolder] },
        undo: { file: new URL("./neo4j/remove.sh", import.meta.url), args: [neo4jFolder] },
      },
      { parent: this, ...after },
    );
    return new RemoteFiles(
      `${name}-files`,
      { machine, source: pulumi.interpolate`${source}/`, path: neo4jFolder },
      { parent: this, dependsOn: [place] },
    );
  }
}
