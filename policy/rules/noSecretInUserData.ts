/** User data contains no secrets: every process on the machine can read it, and so can anyone allowed to describe it. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";
import { secretIn, unpackedUserData } from "../secrets.ts";

export const noSecretInUserData: ResourceValidationPolicy = {
  name: "no-secret-in-user-data",
  description: "User data contains no private key, password, token or access key.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ userData }) => {
    const found = userData
      .map(({ text, base64 }) => secretIn(unpackedUserData(text, base64)))
      .find((kind) => kind !== undefined);
    return found === undefined
      ? []
      : [`has ${found} in its user data: send it to the machine after boot, over SSH`];
  }),
};
