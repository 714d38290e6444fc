/** Checks a machine before any service is installed on it. */
import * as pulumi from "@pulumi/pulumi";
import { kernels } from "../kernels.ts";
import type { Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { RemoteStep } from "../remote.ts";

/** Checks a machine's kernel, and reads its versions. */
export class NodeReady extends pulumi.ComponentResource {
  /** `uname -r`. */
  readonly release: pulumi.Output<string>;
  /** Versions of Python and Ray, as one text that can be compared between nodes. */
  readonly runtime: pulumi.Output<string>;
  /** To depend on. */
  readonly step: RemoteStep;

  constructor(name: string, machine: Machine, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:NodeReady", name, {}, opts);
    this.step = new RemoteStep(
      name,
      {
        machine,
        run: {
          file: new URL("./ready.sh", import.meta.url),
          args: [kernels[machine.kernel].release.source.replaceAll("\\d", "[0-9]"), venv, machine.boot],
        },
      },
      { parent: this },
    );
    this.release = this.step.stdout.apply((text) => text.split(" ")[0] ?? "");
    this.runtime = this.step.stdout.apply((text) => text.split(" ").slice(1).join(" "));
    this.registerOutputs({ release: this.release, runtime: this.runtime });
  }
}
