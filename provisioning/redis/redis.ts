/** Redis, the metadata engine of JuiceFS. */
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine.ts";
import { port } from "../ports.ts";
import { RemoteStep } from "../remote.ts";
import { secretText } from "../secret.ts";

export interface RedisArgs {
  /** The node with the role `meta`. */
  readonly machine: Machine;
  /** Nodes that will use it. Each checks its access. */
  readonly clients: readonly Machine[];
}

/** Redis on the private address of one node, with a password stored as a secret of the stack. */
export class Redis extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  readonly port: number;
  readonly password: pulumi.Output<string>;
  /** Redis' version. */
  readonly version: pulumi.Output<string>;
  /** A client's mean time for one command, in microseconds. */
  readonly roundTripUs: pulumi.Output<number>;
  /** To depend on: every client has reached it. */
  readonly checks: readonly RemoteStep[];

  constructor(name: string, args: RedisArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Redis", name, {}, opts);
    this.host = args.machine.privateAddress;
    this.port = port("redis");
    this.password = secretText(`${name}-password`, this);
    const where = [this.host, String(this.port)];
    const after = opts?.dependsOn ? { dependsOn: opts.dependsOn } : {};
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine: args.machine,
        run: { file: new URL("./start.sh", import.meta.url), args: where, stdin: [this.password] },
        undo: { file: new URL("./stop.sh", import.meta.url) },
        // Upper limit; the script gives up on an idle Redis after four minutes.
        timeoutSeconds: 1200,
      },
      { parent: this, ...after },
    );
    this.checks = args.clients.map(
      (machine) =>
        new RemoteStep(
          `${name}-check-${machine.name}`,
          {
            machine,
            run: { file: new URL("./check.sh", import.meta.url), args: where, stdin: [this.password] },
            inputs: [args.machine.boot],
          },
          { parent: this, dependsOn: [start] },
        ),
    );
    this.version = start.stdout;
    this.roundTripUs = pulumi
      .all(this.checks.map(({ stdout }) => stdout))
      .apply((times) => Math.max(...times.map(Number)));
    this.registerOutputs({ version: this.version, roundTripUs: this.roundTripUs });
  }
}
