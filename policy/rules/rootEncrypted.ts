/** A machine's root volume is encrypted, of the current type, and deleted with the machine. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";
import { at } from "../rule.ts";

export const rootEncrypted: ResourceValidationPolicy = {
  name: "root-encrypted",
  description: "Root volumes are gp3, encrypted, and deleted with their machine.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ rootVolumes, volumesAt }) =>
    // Without settings, the volume is like that of the image: unencrypted.
    (rootVolumes.length === 0 ? [undefined] : rootVolumes).flatMap((volume) => [
      ...(isTrue(at(volume, "encrypted"))
        ? []
        : [`has an unencrypted root volume: set ${volumesAt}.encrypted to true`]),
      ...(at(volume, "volumeType") === "gp3"
        ? []
        : [`has a root volume of an older type: set ${volumesAt}.volumeType to gp3`]),
      ...(isFalse(at(volume, "deleteOnTermination"))
        ? [`leaves its root volume behind: remove ${volumesAt}.deleteOnTermination`]
        : []),
    ]),
  ),
};

/** In a launch template, booleans are strings. */
const isTrue = (value: unknown): boolean => value === true || value === "true";
const isFalse = (value: unknown): boolean => value === false || value === "false";
