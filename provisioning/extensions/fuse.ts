/** Words of the FUSE extension's command line: from its settings, and from the mount that it is for. */
import type * as pulumi from "@pulumi/pulumi";
import type { FuseSettings } from "./settings.ts";
import { metricsFile } from "./table.ts";

/** Where redis/check.sh puts it on every client. */
const passwordFile = "/etc/disgrafs/redis-password";

export interface FuseMount {
  readonly mountPoint: string;
  /** Address of the metadata, without a password: that is in a file on the machine. */
  readonly meta: pulumi.Input<string>;
}

export function fuseOptions(
  { mode, boundMs, opcodes }: FuseSettings,
  mount: FuseMount,
): pulumi.Input<string>[] {
  return [
    ...["--loader", "--mount", mount.mountPoint],
    ...["--meta", mount.meta, "--password-file", passwordFile],
    ...(mode === "shadow" ? ["--mode", "lease", "--shadow"] : ["--mode", mode]),
    ...["--bound", String(boundMs), "--opcodes", opcodes.join(",")],
    ...["--prometheus", metricsFile("fuse"), "--interval", "15"],
  ];
}
