/** Selects the target that creates the machines. Both targets return the same interface to the rest of the program. */
import * as pulumi from "@pulumi/pulumi";
import { isLocalKernel } from "../provisioning/kernels.ts";
import type { Machine } from "../provisioning/machine.ts";
import type { ObjectStore } from "../provisioning/objects/objects.ts";
import { awsMachines } from "./aws/index.ts";
import { volume } from "./cluster.ts";
import { localMachines } from "./local/index.ts";
import type { Settings } from "./settings.ts";

export interface Target {
  readonly machines: readonly Machine[];
  /** The target's own object store, such as S3. */
  readonly store?: ObjectStore;
  /** For machines that cost money: their start time and the price in USD an hour. */
  readonly cost?: pulumi.Output<{ created: string; perHour: number | "unknown" }>;
  /** Outputs specific to the target: costs and expiry on AWS, the accelerator locally. */
  readonly outputs: Readonly<Record<string, pulumi.Input<unknown>>>;
}

export function makeTarget(settings: Settings): Target {
  const { kernel, aws, nodes } = settings;
  if (settings.target === "aws" && aws) {
    const made = awsMachines({ kernel, aws, cacheFolder: settings.juicefs.cacheDir }, nodes, volume);
    const store = {
      bucketUrl: made.objectStore.url,
      product: pulumi.output("Amazon S3"),
      ready: made.machines.map(({ resource }) => resource),
    };
    const { created, costEstimate } = made.outputs;
    const cost = created.apply((time) => ({ created: time, perHour: costEstimate.perHour }));
    return { machines: made.machines, store, cost, outputs: made.outputs };
  }
  if (!isLocalKernel(kernel)) throw new Error(`kernel ${kernel} cannot run on a local machine`);
  const machines = localMachines({ ...settings, kernel }, nodes);
  return { machines, outputs: { emulated: machines[0]?.emulated, clock: settings.clock } };
}
