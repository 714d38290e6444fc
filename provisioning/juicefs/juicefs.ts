/** A JuiceFS volume, mounted on every client. */
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine.ts";
import type { ObjectStore } from "../objects/objects.ts";
import { port } from "../ports.ts";
import type { Redis } from "../redis/redis.ts";
import { RemoteStep } from "../remote.ts";

export interface JuicefsOptions {
  readonly mountPoint: string;
  readonly cacheDir: string;
  readonly cacheSizeMiB: number;
  /** How long the kernel may cache an attribute, in seconds. */
  readonly attrCacheSeconds: number;
  readonly entryCacheSeconds: number;
  readonly dirEntryCacheSeconds: number;
  readonly writeback: boolean;
  readonly storage: "s3" | "file";
}

export interface JuicefsArgs {
  readonly clients: readonly Machine[];
  readonly redis: Redis;
  readonly objects: ObjectStore;
  readonly volume: string;
  readonly options: JuicefsOptions;
  /** Whether JuiceFS keeps a log of metadata changes, which DisGraFS follows. */
  readonly changelog: boolean;
}

/** Ready when every client has read the files that all clients have written. */
export class Juicefs extends pulumi.ComponentResource {
  readonly mountPoint: string;
  /** URL of the metadata, without the password, which is in a file on each machine. */
  readonly meta: pulumi.Output<string>;
  /** That file (../redis/check.sh puts it there). */
  readonly passwordFile = "/etc/disgrafs/redis-password";
  /** Version of the client. */
  readonly version: pulumi.Output<string>;
  /** Identity of the volume. */
  readonly uuid: pulumi.Output<string>;
  /** Number of stamps that each client has read, one for each client. */
  readonly seen: pulumi.Output<number>;
  /** To depend on: the last step on each client. */
  readonly ready: readonly RemoteStep[];

  constructor(name: string, args: JuicefsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Juicefs", name, {}, opts);
    const { clients, redis, objects, volume, options } = args;
    const changelog = String(args.changelog);
    const [first] = clients;
    if (!first) throw new Error("a JuiceFS volume needs at least one client");
    this.mountPoint = options.mountPoint;
    // Keep the password out of the URL: JuiceFS prints the whole URL in errors. It reads the password from a file.
    const meta = pulumi.interpolate`redis://${redis.host}:${redis.port}/0`;
    this.meta = meta;
    const bucket = options.storage === "s3" ? objects.bucketUrl : "/var/lib/disgrafs/blocks/";
    const format = new RemoteStep(
      `${name}-format`,
      {
        machine: first,
        run: {
          file: new URL("./format.sh", import.meta.url),
          args: [meta, volume, options.storage, bucket, changelog],
          stdin: [objects.keys?.access ?? "", objects.keys?.secret ?? ""],
        },
      },
      { parent: this, dependsOn: [...redis.checks, ...objects.ready] },
    );
    const mounts = clients.map(
      (machine) =>
        new RemoteStep(
          `${name}-mount-${machine.name}`,
          {
            machine,
            run: {
              file: new URL("./mount.sh", import.meta.url),
              args: [
                meta,
                options.mountPoint,
                options.cacheDir,
                pulumi.interpolate`${machine.privateAddress}:${port("juicefsMetrics")}`,
                cacheOptions(options),
                mountOptions(options),
                changelog,
              ],
            },
            undo: {
              file: new URL("./unmount.sh", import.meta.url),
              args: [options.mountPoint, options.cacheDir, format.stdout],
            },
            // With write-back, blocks may still wait on the client. An external store outlives the client; the lab's own does not.
            undoBeforeMachine: options.writeback && args.objects.keys === undefined,
            // Remount if the volume under the mount point is another one.
            inputs: [format.stdout],
            // Upper limit: the step waits for an upload in progress.
            timeoutSeconds: 1800,
          },
          { parent: this, dependsOn: [format] },
        ),
    );
    const writes = clients.map(
      (machine, index) =>
        new RemoteStep(
          `${name}-write-${machine.name}`,
          {
            machine,
            run: { file: new URL("./write.sh", import.meta.url), args: [options.mountPoint] },
            inputs: [format.stdout],
          },
          { parent: this, dependsOn: mounts.slice(index, index + 1) },
        ),
    );
    const stamps = writes.map(({ stdout }) => stdout);
    this.ready = clients.map(
      (machine) =>
        new RemoteStep(
          `${name}-read-${machine.name}`,
          {
            machine,
            run: { file: new URL("./read.sh", import.meta.url), args: [options.mountPoint, ...stamps] },
          },
          { parent: this, dependsOn: writes },
        ),
    );
    this.version = mounts[0]?.stdout ?? pulumi.output("");
    this.uuid = format.stdout;
    this.seen = pulumi
      .all(this.ready.map(({ stdout }) => stdout))
      .apply((counts) => Math.min(...counts.map(Number)));
    this.registerOutputs({ mountPoint: this.mountPoint, version: this.version, uuid: this.uuid });
  }
}

/** The three cache times: what the benchmark's arms change. */
export function cacheOptions(options: JuicefsOptions): string {
  const { attrCacheSeconds, entryCacheSeconds, dirEntryCacheSeconds } = options;
  return [
    `--attr-cache=${attrCacheSeconds}`,
    `--entry-cache=${entryCacheSeconds}`,
    `--dir-entry-cache=${dirEntryCacheSeconds}`,
  ].join(" ");
}

/** All other mount options that depend on settings. */
export function mountOptions({ cacheSizeMiB, writeback }: JuicefsOptions): string {
  // A small machine: JuiceFS's default buffer of 300 MiB is a sixth of it.
  return [
    `--cache-size=${cacheSizeMiB}`,
    "--buffer-size=100",
    "--backup-meta=0",
    ...(writeback ? ["--writeback"] : []),
  ].join(" ");
}
