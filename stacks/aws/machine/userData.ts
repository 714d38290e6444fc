/**
 * User data of an EC2 machine: login, expiry, and the set-up that the local image already contains. It must not contain
 * secrets: every process on the machine can read it, and so can anyone with permission to describe the instance.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cloudInit } from "../../../provisioning/cloudInit.ts";
import { kernels, type Kernel } from "../../../provisioning/kernels.ts";
import { requirementsFile, venv } from "../../../provisioning/packages.ts";
import { nodePackages } from "./packages.ts";

export interface UserDataArgs {
  readonly name: string;
  readonly kernel: Kernel;
  readonly region: string;
  /** Line of authorized_keys. */
  readonly publicKey: string;
  readonly expiresInSeconds: number;
  readonly sessionManager: boolean;
}

/** EC2's limit, in bytes before base64. */
const limit = 16 * 1024;

const lists = "/usr/local/lib/disgrafs/lists";
const installPath = "/usr/local/lib/disgrafs/install";
const sessionManagerPath = "/usr/local/lib/disgrafs/install-session-manager";
const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");

/** The package lists for the installation: file name -> text. */
function installLists(kernel: Kernel): Record<string, string> {
  return {
    "packages.txt": `${nodePackages(kernels[kernel].aws.userland).join("\n")}\n`,
    "requirements.txt": readFileSync(requirementsFile, "utf8"),
    "uv.txt": read("./uv.txt"),
  };
}

/** The content of `/var/lib/disgrafs/installed` after these lists were installed, computed as in install.sh. */
export function installedMarker(kernel: Kernel): string {
  const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
  const files = Object.entries(installLists(kernel)).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(files.map(([name, text]) => `${sha256(text)}  ${lists}/${name}\n`).join(""));
}

/** @throws Error if the text is longer than EC2 accepts. */
export function userData(args: UserDataArgs): string {
  const image = kernels[args.kernel].aws;
  const script = (path: string, name: string) => ({ path, permissions: "0755", content: read(name) });
  const text = cloudInit({
    hostname: args.name,
    login: { user: image.user, authorizedKeys: [args.publicKey] },
    expiresInSeconds: args.expiresInSeconds,
    files: [
      ...Object.entries(installLists(args.kernel)).map(([name, content]) => ({
        path: `${lists}/${name}`,
        content,
      })),
      script(installPath, "./install.sh"),
      ...(args.sessionManager ? [script(sessionManagerPath, "./installSessionManager.sh")] : []),
    ],
    commands: [
      ...(args.sessionManager ? [[sessionManagerPath, args.region]] : []),
      [installPath, image.packages, venv, lists],
    ],
  });
  const length = Buffer.byteLength(text);
  if (length > limit)
    throw new Error(
      `user data of ${args.name} is ${length} bytes, but EC2 accepts ${limit}: shorten stacks/aws/machine/install.sh or the lists`,
    );
  return text;
}
