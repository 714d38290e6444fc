/** A machine that powers itself off, for instance when its lab expires, is terminated and stops costing money. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";

export const diesWhenShutDown: ResourceValidationPolicy = {
  name: "dies-when-shut-down",
  description: "Machines that shut down are terminated.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ inputs }) => [
    ...(inputs.instanceInitiatedShutdownBehavior === "terminate"
      ? []
      : [
          "is only stopped when it shuts down, and its volume continues to cost money: set instanceInitiatedShutdownBehavior to terminate",
        ]),
    ...(inputs.disableApiTermination === true
      ? ["cannot be terminated by ./lab sweep: remove disableApiTermination"]
      : []),
  ]),
};
