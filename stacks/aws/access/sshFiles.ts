/**
 * Writes the files for logging in to the machines of a stack (key, host keys, ssh configuration) to `.lab` in this checkout.
 * `ssh -F CONFIG NODE` then asks no questions and trusts only the host keys that the stack has read.
 */
import { join, relative } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
import { quote } from "../../../provisioning/shell.ts";
import { checkout } from "../../../workshop/checkout.ts";

export interface SshHost {
  readonly name: string;
  readonly user: string;
  /** Address, or the instance's id with Session Manager. */
  readonly host: string;
  readonly hostKey: string;
}

export interface SshFilesArgs {
  readonly privateKey: pulumi.Output<string>;
  readonly hosts: readonly pulumi.Output<SshHost>[];
  /** Access by Session Manager, if no port is open. */
  readonly sessionManager: { readonly region: string; readonly profile?: string } | undefined;
}

/** Folder of a stack's files, absolute. */
export function sshFolder(stack: string): string {
  return join(checkout, ".lab/aws", encodeURIComponent(stack));
}

/** The command line that logs in to a machine, from the checkout. */
export function sshCommand(stack: string, name: string): string {
  return `ssh -F ${quote(relative(checkout, join(sshFolder(stack), "config")))} ${name}`;
}

const write = [
  'set -eu; umask 077; mkdir -p "$FOLDER"',
  'cat >"$FOLDER/key"',
  'printf %s "$CONFIG" >"$FOLDER/config"',
  'printf %s "$KNOWN" >"$FOLDER/known_hosts"',
].join("\n");

export function sshFiles(
  name: string,
  stack: string,
  args: SshFilesArgs,
  opts?: pulumi.CustomResourceOptions,
): void {
  const folder = sshFolder(stack);
  const hosts = pulumi.all([...args.hosts]);
  new local.Command(
    name,
    {
      create: write,
      update: write,
      delete: 'rm -rf "$FOLDER"',
      environment: {
        FOLDER: folder,
        CONFIG: hosts.apply((all) => sshConfig(all, folder, args.sessionManager)),
        KNOWN: hosts.apply(knownHosts),
      },
      // Not in the environment, which other processes of the user can read.
      stdin: args.privateKey,
      logging: local.Logging.None,
    },
    opts,
  );
}

export function sshConfig(
  hosts: readonly SshHost[],
  folder: string,
  sessionManager: SshFilesArgs["sessionManager"],
): string {
  return hosts
    .map(({ name, user, host }) =>
      [
        `Host ${name}`,
        `  HostName ${host}`,
        `  User ${user}`,
        `  HostKeyAlias ${name}`,
        ...(sessionManager ? [`  ProxyCommand ${proxyCommand(host, sessionManager)}`] : []),
        `  IdentityFile "${join(folder, "key")}"`,
        "  IdentitiesOnly yes",
        `  UserKnownHostsFile "${join(folder, "known_hosts")}"`,
        "  StrictHostKeyChecking yes",
        "",
      ].join("\n"),
    )
    .join("\n");
}

export function knownHosts(hosts: readonly SshHost[]): string {
  return hosts.map(({ name, hostKey }) => `${name} ${hostKey}\n`).join("");
}

function proxyCommand(instanceId: string, { region, profile }: { region: string; profile?: string }): string {
  const who = profile === undefined ? "" : ` --profile ${quote(profile)}`;
  return `aws ssm start-session --region ${region}${who} --target ${instanceId} --document-name AWS-StartSSHSession --parameters portNumber=%p`;
}
