/** The object store for JuiceFS's blocks: SeaweedFS, which clients access only through its S3 endpoint. */
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine.ts";
import { port } from "../ports.ts";
import { RemoteStep } from "../remote.ts";
import { secretText } from "../secret.ts";

/** What a client needs to know about an S3 store. */
export interface ObjectStore {
  /** URL of the bucket, in the form of JuiceFS's `--bucket`. */
  readonly bucketUrl: pulumi.Output<string>;
  /** Product and version, for the record of a benchmark. */
  readonly product: pulumi.Output<string>;
  /** Keys; undefined if the machines' identity gives access. */
  readonly keys?: { readonly access: pulumi.Output<string>; readonly secret: pulumi.Output<string> };
  /** To depend on: every client has put and got an object. */
  readonly ready: readonly pulumi.Resource[];
}

export interface ObjectsArgs {
  /** The node with the role `objects`. */
  readonly machine: Machine;
  readonly clients: readonly Machine[];
  readonly bucket: string;
}

/** SeaweedFS on one node. */
export class Objects extends pulumi.ComponentResource implements ObjectStore {
  readonly bucketUrl: pulumi.Output<string>;
  readonly keys: { readonly access: pulumi.Output<string>; readonly secret: pulumi.Output<string> };
  readonly version: pulumi.Output<string>;
  readonly product: pulumi.Output<string>;
  readonly ready: readonly RemoteStep[];

  constructor(name: string, args: ObjectsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Objects", name, {}, opts);
    const { machine, bucket } = args;
    this.keys = {
      access: secretText(`${name}-access-key`, this),
      secret: secretText(`${name}-secret-key`, this),
    };
    const stdin = [this.keys.access, this.keys.secret];
    const endpoint = pulumi.interpolate`http://${machine.privateAddress}:${port("s3")}`;
    const ownPorts = (["s3", "weedMaster", "weedVolume", "weedFiler"] as const).map((key) =>
      String(port(key)),
    );
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine,
        run: {
          file: new URL("./start.sh", import.meta.url),
          args: [machine.privateAddress, ...ownPorts],
          stdin,
        },
        undo: { file: new URL("./stop.sh", import.meta.url) },
        // Upper limit; the script gives up on an idle store after four minutes.
        timeoutSeconds: 1200,
      },
      { parent: this, ...(opts?.dependsOn ? { dependsOn: opts.dependsOn } : {}) },
    );
    this.ready = args.clients.map(
      (client) =>
        new RemoteStep(
          `${name}-check-${client.name}`,
          {
            machine: client,
            run: { file: new URL("./check.sh", import.meta.url), args: [endpoint, bucket], stdin },
            inputs: [machine.boot],
          },
          { parent: this, dependsOn: [start] },
        ),
    );
    this.version = start.stdout;
    this.product = pulumi.interpolate`SeaweedFS ${this.version}`;
    this.bucketUrl = pulumi.interpolate`${endpoint}/${bucket}`;
    this.registerOutputs({ bucketUrl: this.bucketUrl, version: this.version });
  }
}
