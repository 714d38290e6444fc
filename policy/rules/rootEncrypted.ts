/** A machine's root volume is encrypted, of the current kind, and goes with the machine. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { at, forType } from "../rule.ts";

export const rootEncrypted: ResourceValidationPolicy = {
  name: "root-encrypted",
  description: "Root volumes are gp3, encrypted, and deleted with their machine.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:ec2/instance:Instance", (inputs) => [
    ...(at(inputs, "rootBlockDevice", "encrypted") === true
      ? []
      : ["keeps its root volume in the clear: set rootBlockDevice.encrypted to true"]),
    ...(at(inputs, "rootBlockDevice", "volumeType") === "gp3"
      ? []
      : ["has a root volume of an older kind: set rootBlockDevice.volumeType to gp3"]),
    ...(at(inputs, "rootBlockDevice", "deleteOnTermination") === false
      ? ["leaves its root volume behind: remove rootBlockDevice.deleteOnTermination"]
      : []),
  ]),
};
