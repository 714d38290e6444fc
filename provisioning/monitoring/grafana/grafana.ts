/** Grafana on the meta node, with the lab's dashboards; reached through a tunnel. See docs/monitoring.md. */
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../../machine.ts";
import { port } from "../../ports.ts";
import { RemoteFiles, RemoteStep } from "../../remote.ts";
import { secretText } from "../../secret.ts";
import { sections } from "../panels.ts";
import { datasourceUid } from "./check.ts";
import { grafanaRelease } from "./release.ts";

export interface GrafanaArgs {
  readonly machine: Machine;
  /** Its Debian package on this computer: the machine itself cannot reach the vendor. */
  readonly file: pulumi.Input<string>;
  /** Address of Prometheus, as the machine reaches it. */
  readonly prometheus: pulumi.Input<string>;
  /** Whether it is an error if Grafana does not start; otherwise it is a warning. */
  readonly required: boolean;
}

/** Folder of its files on the machine. */
const folder = "/opt/disgrafs/grafana";

/** It is up when it lists every dashboard without a login, and gets an answer from Prometheus. */
export class Grafana extends pulumi.ComponentResource {
  /** Address of its page, as the machine itself reaches it: `host:port`. */
  readonly address: pulumi.Output<string>;
  /** To depend on. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: GrafanaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Grafana", name, {}, opts);
    const { machine, prometheus } = args;
    const password = secretText(`${name}-password`, this);
    const after = { parent: this, ...(opts?.dependsOn ? { dependsOn: opts.dependsOn } : {}) };
    const program = new RemoteFiles(
      `${name}-package`,
      { machine, source: args.file, path: `${folder}/grafana.deb` },
      after,
    );
    const files = new RemoteFiles(
      `${name}-files`,
      {
        machine,
        source: fileURLToPath(new URL(".", import.meta.url)),
        path: folder,
        only: (path) => /\.(ini|json|yaml)$/.test(path),
      },
      after,
    );
    const start = new RemoteStep(
      `${name}-start`,
      {
        machine,
        run: {
          file: new URL("./start.sh", import.meta.url),
          args: [
            folder,
            String(port("grafana")),
            prometheus,
            grafanaRelease.version,
            String(sections.length),
            datasourceUid,
            args.required ? "yes" : "no",
          ],
          stdin: [password],
        },
        undo: { file: new URL("./stop.sh", import.meta.url), args: [folder] },
        inputs: [program.hash, files.hash],
        // It unpacks about 700 MB, which takes minutes on an emulated machine.
        timeoutSeconds: 1800,
      },
      { parent: this, dependsOn: [program, files] },
    );
    this.address = pulumi.output(`127.0.0.1:${port("grafana")}`);
    this.ready = start;
    this.registerOutputs({ address: this.address });
  }
}
