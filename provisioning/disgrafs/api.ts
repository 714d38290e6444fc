/**
 * DisGraFS's API and page, on the Ray head, which has the volume mounted; and the command `disgrafs` on every node, which
 * queries the API. The token is generated once; nodes store it in a file readable by root only.
 */
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { withRole, type Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { port } from "../ports.ts";
import { RemoteFiles, RemoteStep } from "../remote.ts";
import { secretText } from "../secret.ts";
import { app, type Disgrafs } from "./disgrafs.ts";

export interface DisgrafsApiArgs {
  readonly machines: readonly Machine[];
  readonly disgrafs: Disgrafs;
}

/** Ready when the command on every node has found a file. */
export class DisgrafsApi extends pulumi.ComponentResource {
  /** Address of the page on the lab's private network: `host:port`. */
  readonly address: pulumi.Output<string>;
  /** To depend on. */
  readonly checks: readonly RemoteStep[];

  constructor(name: string, args: DisgrafsApiArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:DisgrafsApi", name, {}, opts);
    const { machines, disgrafs } = args;
    const [head] = withRole(machines, "ray-head");
    if (!head) throw new Error("the API of DisGraFS needs a Ray head");
    const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const token = secretText(`${name}-token`, this);
    this.address = pulumi.interpolate`${head.privateAddress}:${port("disgrafsApi")}`;
    // From the version pinned in package.json; code for other environments is not copied.
    const vendor = new RemoteFiles(
      `${name}-vendor`,
      {
        machine: head,
        source: here("../../node_modules/cytoscape/dist"),
        path: `${app}/vendor`,
        only: (path) => path === "cytoscape.esm.min.mjs",
      },
      { parent: this, dependsOn: [disgrafs.started] },
    );
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine: head,
        run: {
          file: new URL("./apiStart.sh", import.meta.url),
          args: [this.address, app, venv],
          stdin: [token],
        },
        undo: { file: new URL("./apiStop.sh", import.meta.url) },
        inputs: [disgrafs.source, vendor.hash],
      },
      { parent: this, dependsOn: [vendor] },
    );
    this.checks = machines.map(
      (machine) =>
        new RemoteStep(
          `${name}-command-${machine.name}`,
          {
            machine,
            run: {
              file: new URL("./command.sh", import.meta.url),
              args: [this.address, app, venv],
              stdin: [token],
            },
            undo: { file: new URL("./commandRemove.sh", import.meta.url) },
            inputs: [disgrafs.source],
          },
          // The step searches for a file, so one must have been tagged.
          { parent: this, dependsOn: [start, disgrafs.check] },
        ),
    );
    this.registerOutputs({ address: this.address });
  }
}
