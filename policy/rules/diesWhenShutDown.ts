/** A machine that powers itself off, as when its lab expires, is terminated and costs nothing. */
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
          "stays, and its volume costs money, when it shuts down: set instanceInitiatedShutdownBehavior to terminate",
        ]),
    ...(inputs.disableApiTermination === true
      ? ["cannot be terminated by a sweep: remove disableApiTermination"]
      : []),
  ]),
};
