/** Generates passwords and keys once, by a command on this computer. */
import { local } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

/** 48 random hexadecimal digits, generated once and stored as a secret of the stack. */
export function secretText(name: string, parent: pulumi.Resource): pulumi.Output<string> {
  const made = new local.Command(
    name,
    {
      create: "openssl rand -hex 24",
      update: "true",
      logging: local.Logging.None,
      addPreviousOutputInEnv: false,
    },
    { parent, additionalSecretOutputs: ["stdout"], ignoreChanges: ["create", "update"] },
  );
  return made.stdout;
}
