/** User data can be read by every process of the machine, and by whoever may describe it. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forType } from "../rule.ts";

const secrets: Readonly<Record<string, RegExp>> = {
  "a private key": /BEGIN [A-Z ]*PRIVATE KEY/,
  "an access key": /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  // cloud-init's lock_passwd and sudo's NOPASSWD are no passwords, but the lack of one.
  "a password": /\b(?!lock_passwd|nopasswd)\w*(password|passwd|secret)\w*["']?\s*[:=]\s*["']?[^\s"',}]+/i,
};

export const noSecretInUserData: ResourceValidationPolicy = {
  name: "no-secret-in-user-data",
  description: "No private key, password or access key is in user data.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:ec2/instance:Instance", (inputs) => {
    const { userData, userDataBase64 } = inputs as { userData?: string; userDataBase64?: string };
    const text = `${userData ?? ""}\n${Buffer.from(userDataBase64 ?? "", "base64").toString()}`;
    const found = Object.entries(secrets).find(([, pattern]) => pattern.test(text));
    return found ? [`has ${found[0]} in its user data: give it to the machine after boot, over SSH`] : [];
  }),
};
