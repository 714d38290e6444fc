/**
 * Runs scripts on machines; nothing else does. Every step passes its script and secrets over standard input only, has a
 * deadline enforced on the machine and an explicit update, and depends on the machine for order and deletion.
 * See docs/remote-steps.md.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { remote } from "@pulumi/command";
import { readSource, sourceHash } from "../plugins/command/files/source.ts";
import { digest } from "./digest.ts";
import type { Machine } from "./machine.ts";
import { program, type Call } from "./shell.ts";

/** A bash script beside the source that uses it, its arguments, and the lines it reads from standard input. */
export interface ScriptCall {
  /** File of the script, such as `new URL("./x.sh", import.meta.url)`. */
  readonly file: URL;
  /** Arguments. They are visible in the machine's process list, so never pass secrets here. */
  readonly args?: readonly pulumi.Input<string>[];
  /** Lines of standard input, one for each value. Pass secrets here. */
  readonly stdin?: readonly pulumi.Input<string>[];
}

export interface RemoteStepArgs {
  readonly machine: Machine;
  /** Must be idempotent. Runs at creation, when anything it depends on changes, and after the machine was restarted. */
  readonly run: ScriptCall;
  /** Runs when the step is removed and its machine stays. If the machine is removed, `undo` does not run. */
  readonly undo?: ScriptCall;
  /** Run `undo` also before the machine is removed. The time limit still applies, so a dead machine cannot block it. */
  readonly undoBeforeMachine?: boolean;
  /** After this many seconds the script is ended on the machine (TERM, then KILL after 10 s). */
  readonly timeoutSeconds?: number;
  /** The step runs again if any of these values changes. */
  readonly inputs?: readonly pulumi.Input<string>[];
}

const defaultTimeoutSeconds = 300;

/** Functions that every script may call. */
export const prelude = readFileSync(new URL("./prelude.sh", import.meta.url), "utf8");

/** Runs one script on one machine, as root. `stdout` must be short: larger results belong in files. */
export class RemoteStep extends pulumi.ComponentResource {
  readonly stdout: pulumi.Output<string>;

  constructor(name: string, args: RemoteStepArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:RemoteStep", name, {}, opts);
    const { machine, run, undo } = args;
    const seconds = args.timeoutSeconds ?? defaultTimeoutSeconds;
    const shell = (entry: string): string => `${machine.become}timeout -k 10 ${seconds} bash -s ${entry}`;
    const calls = pulumi.all([read(run), undo ? read(undo) : undefined]);
    const text = pulumi
      .all([calls, machine.boot, pulumi.all([...(args.inputs ?? [])])])
      .apply(([[doRun, doUndo], boot, inputs]) =>
        program(
          { run: doRun, undo: doUndo },
          `${name} on ${machine.name}, boot ${boot}, inputs ${digest(inputs)}`,
        ),
      );
    const secret = [run, undo].some((call) => (call?.stdin ?? []).length > 0);
    const command = new remote.Command(
      name,
      {
        connection: machine.connection,
        create: shell("run"),
        update: shell("run"),
        delete: undo ? shell("undo") : undefined,
        stdin: secret ? pulumi.secret(text) : text,
        triggers: [machine.id],
        logging: remote.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      {
        parent: this,
        deleteBeforeReplace: true,
        deletedWith: (args.undoBeforeMachine ?? false) ? undefined : machine.resource,
        dependsOn: [machine.resource],
        // The deadline on the machine expires first; this one is for a machine that no longer answers.
        customTimeouts: duration(seconds + 30),
      },
    );
    this.stdout = command.stdout;
    this.registerOutputs({ stdout: this.stdout });
  }
}

export interface RemoteFilesArgs {
  readonly machine: Machine;
  /** A local file or folder. For a folder whose name ends with a slash, its contents are copied into `path`. */
  readonly source: pulumi.Input<string>;
  /** Destination on the machine. */
  readonly path: string;
  /** Selects files below a folder by their relative paths; all if omitted. They are copied into `path`. */
  readonly only?: (path: string) => boolean;
}

/** Copies files from this checkout to a machine. Its `hash` changes with their content: pass it to a step's `inputs`. */
export class RemoteFiles extends pulumi.ComponentResource {
  /** Hash of what was copied, known after the copy. */
  readonly hash: pulumi.Output<string>;

  constructor(name: string, args: RemoteFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:RemoteFiles", name, {}, opts);
    const { only } = args;
    const source = pulumi.output(args.source).apply(async (path) => {
      if (only) return new pulumi.asset.AssetArchive(await someFiles(path, only));
      return path.endsWith("/") ? new pulumi.asset.FileArchive(path) : new pulumi.asset.FileAsset(path);
    });
    const copy = new remote.CopyToRemote(
      name,
      {
        connection: args.machine.connection,
        source,
        remotePath: args.path,
        triggers: [args.machine.id, args.machine.boot],
      },
      { parent: this, deletedWith: args.machine.resource, dependsOn: [args.machine.resource] },
    );
    // The resource keeps its id when its files change, so compute the hash here, in the same way as the provider.
    const hash = pulumi.output(args.source).apply(async (path) => {
      const { files, ...rest } = await readSource({ kind: "asset", path });
      return sourceHash({ ...rest, files: files.filter((file) => only?.(file.path) ?? true) });
    });
    this.hash = pulumi.all([hash, copy.id]).apply(([value]) => value);
    this.registerOutputs({ hash: this.hash });
  }
}

/** Selected files below a folder, in the form of an archive. */
async function someFiles(
  folder: string,
  only: (path: string) => boolean,
): Promise<Record<string, pulumi.asset.FileAsset>> {
  const { files } = await readSource({ kind: "asset", path: folder });
  return Object.fromEntries(
    files
      .filter(({ path }) => only(path))
      .map(({ path }) => [path, new pulumi.asset.FileAsset(join(folder, path))]),
  );
}

function read(call: ScriptCall): pulumi.Output<Call> {
  const script = `${prelude}\n${readFileSync(call.file, "utf8")}`;
  return pulumi
    .all([pulumi.all([...(call.args ?? [])]), pulumi.all([...(call.stdin ?? [])])])
    .apply(([args, stdin]) => ({ script, args, stdin }));
}

function duration(seconds: number): pulumi.CustomTimeouts {
  const text = `${seconds}s`;
  return { create: text, update: text, delete: text };
}
