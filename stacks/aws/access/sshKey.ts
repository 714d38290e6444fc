/** The lab's SSH key: generated once on this computer, and stored as a secret in the stack's state. */
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";

export interface SshKey {
  /** OpenSSH private key; a secret. */
  readonly privateKey: pulumi.Output<string>;
  /** Its public line. */
  readonly publicKey: pulumi.Output<string>;
}

// The key is in a folder of its own, in memory where there is such a place, for as long as it takes to print it.
const make = [
  "set -eu; umask 077",
  'folder=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")',
  "trap 'rm -rf \"$folder\"' EXIT",
  'ssh-keygen -q -t ed25519 -N "" -C disgrafs-lab -f "$folder/key"',
  'cat "$folder/key" "$folder/key.pub"',
].join("\n");

export function sshKey(name: string, opts?: pulumi.CustomResourceOptions): SshKey {
  const both = new local.Command(
    name,
    { create: make, logging: local.Logging.None },
    { ...opts, additionalSecretOutputs: ["stdout"] },
  ).stdout;
  const split = both.apply(splitKey);
  return {
    privateKey: pulumi.secret(split.privateKey),
    publicKey: pulumi.unsecret(split.publicKey),
  };
}

/** The private key with its last newline, and the public line after it. */
export function splitKey(text: string): { privateKey: string; publicKey: string } {
  const match =
    /^(-----BEGIN OPENSSH PRIVATE KEY-----\n[^-]+-----END OPENSSH PRIVATE KEY-----\n)(ssh-\S+ \S+[^\n]*)\n?$/.exec(
      text,
    );
  if (!match?.[1] || !match[2]) throw new Error("ssh-keygen did not print a private and a public key");
  return { privateKey: match[1], publicKey: match[2] };
}
