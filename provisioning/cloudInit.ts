/**
 * Builds the cloud-init user data for a machine's first boot, for both targets. The document is `#cloud-config` written as
 * JSON, which is also YAML, so that both cloud-init and the local image's small reader (jq) can parse it.
 * Only these keys are used: hostname, disable_root, users, ssh_deletekeys, ssh_keys, write_files, runcmd.
 */
import { readFileSync } from "node:fs";

export interface FirstBoot {
  /** Short host name: the machine's name in the lab. */
  readonly hostname: string;
  /** Who logs in with which public keys (lines of authorized_keys). A user other than root gets sudo without password. */
  readonly login: { readonly user: string; readonly authorizedKeys: readonly string[] };
  /**
   * SSH host key made before boot, so that its public half can be pinned. Local target only: user data of a cloud can
   * be read by every process of the machine, so there the machine makes its own key (stacks/aws/access/learnHostKey.ts).
   */
  readonly hostKey?: HostKey;
  /** Static address on a second network card. Local target only: its image reads it at every boot. */
  readonly network?: PrivateNetwork;
  /** Powers off this many seconds after first boot, unless `disgrafs-expire-at` moves the time. */
  readonly expiresInSeconds?: number;
  readonly files?: readonly BootFile[];
  /** Commands as argument lists, run in order as root after all files are written. */
  readonly commands?: readonly (readonly string[])[];
}

export interface HostKey {
  /** OpenSSH private key, ed25519, with its newlines. */
  readonly privateKey: string;
  /** The same key's public line. */
  readonly publicKey: string;
}

export interface PrivateNetwork {
  /** Hardware address of the card, such as 52:54:00:12:34:56. */
  readonly mac: string;
  /** Address with prefix length, such as 192.168.77.11/24. */
  readonly address: string;
}

export interface BootFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Octal, such as "0644" (the default). */
  readonly permissions?: string;
}

/** Path of `disgrafs-expire-at EPOCH` on a machine with an expiry. */
export const expireAtPath = "/usr/local/sbin/disgrafs-expire-at";

const expireAtScript = readFileSync(new URL("./expireAt.sh", import.meta.url), "utf8");

/**
 * The user data for a first boot.
 * @throws Error that names the field when a value could not work: a bad host name, user, path, address or time.
 */
export function cloudInit(boot: FirstBoot): string {
  check(boot);
  const files = [...networkFiles(boot.network), ...expiryFiles(boot.expiresInSeconds), ...(boot.files ?? [])];
  const commands = [
    // Expiry first: even if a later step fails, the machine powers off in time.
    ...expiryCommands(boot.expiresInSeconds),
    ...(boot.commands ?? []),
  ];
  const document = {
    hostname: boot.hostname,
    disable_root: boot.login.user !== "root",
    users: [user(boot.login)],
    ...(boot.hostKey && {
      ssh_deletekeys: true,
      ssh_keys: { ed25519_private: boot.hostKey.privateKey, ed25519_public: boot.hostKey.publicKey },
    }),
    ...(files.length > 0 && { write_files: files.map(writeFile) }),
    ...(commands.length > 0 && { runcmd: commands }),
  };
  return `#cloud-config\n${JSON.stringify(document, undefined, 1)}\n`;
}

function user(login: FirstBoot["login"]) {
  const keys = { name: login.user, ssh_authorized_keys: login.authorizedKeys };
  return login.user === "root"
    ? keys
    : { ...keys, shell: "/bin/bash", lock_passwd: true, sudo: "ALL=(ALL) NOPASSWD:ALL" };
}

function writeFile({ path, content, permissions = "0644" }: BootFile) {
  return typeof content === "string"
    ? { path, permissions, content }
    : { path, permissions, encoding: "b64", content: Buffer.from(content).toString("base64") };
}

/** `mac address` lines, read at every boot by the local image (workshop/image/recipe/files/usr/local/lib/disgrafs/boot). */
function networkFiles(network: PrivateNetwork | undefined): BootFile[] {
  return network ? [{ path: "/etc/disgrafs/addresses", content: `${network.mac} ${network.address}\n` }] : [];
}

function expiryFiles(seconds: number | undefined): BootFile[] {
  return seconds === undefined ? [] : [{ path: expireAtPath, permissions: "0755", content: expireAtScript }];
}

function expiryCommands(seconds: number | undefined): string[][] {
  return seconds === undefined ? [] : [["bash", "-c", `${expireAtPath} "$(($(date +%s) + ${seconds}))"`]];
}

function check(boot: FirstBoot): void {
  const { hostname, login, hostKey, network, expiresInSeconds, files = [], commands = [] } = boot;
  need(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(hostname),
    "hostname",
    hostname,
    "1 to 63 of a-z, 0-9 and inner -",
  );
  need(/^[a-z_][a-z0-9_-]{0,31}$/.test(login.user), "login.user", login.user, "a Linux user name");
  need(login.authorizedKeys.length > 0, "login.authorizedKeys", "none", "at least one public key");
  for (const key of login.authorizedKeys)
    need(
      isPublicKey(key),
      "login.authorizedKeys",
      "a value not shown here",
      "one line that starts with ssh- or ecdsa-",
    );
  if (hostKey) {
    need(
      isPublicKey(hostKey.publicKey),
      "hostKey.publicKey",
      "a value not shown here",
      "one public key line",
    );
    need(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[^-]+-----END OPENSSH PRIVATE KEY-----\n$/.test(
        hostKey.privateKey,
      ),
      "hostKey.privateKey",
      "a value not shown here",
      "an OpenSSH private key, with its last newline",
    );
  }
  if (network) {
    need(
      /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(network.mac),
      "network.mac",
      network.mac,
      "six lower-case hex bytes with :",
    );
    need(
      /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/.test(network.address),
      "network.address",
      network.address,
      "a.b.c.d/n",
    );
  }
  if (expiresInSeconds !== undefined)
    need(
      Number.isSafeInteger(expiresInSeconds) && expiresInSeconds >= 60,
      "expiresInSeconds",
      String(expiresInSeconds),
      "a whole number, 60 or more",
    );
  for (const { path, permissions = "0644" } of files) {
    need(/^\/[^\0\n]*[^/\0\n]$/.test(path), "files.path", path, "an absolute path of a file");
    need(
      /^0[0-7]{3}$/.test(permissions),
      `files ${path} permissions`,
      permissions,
      "four octal digits, as 0644",
    );
  }
  for (const command of commands) need(command.length > 0, "commands", "[]", "at least the program's name");
}

function isPublicKey(line: string): boolean {
  return /^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\n]*)?$/.test(line);
}

function need(holds: boolean, field: string, value: string, allowed: string): void {
  if (!holds) throw new Error(`first boot: ${field} is ${JSON.stringify(value)}; it must be ${allowed}`);
}
