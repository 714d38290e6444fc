/**
 * The only place that runs anything on a machine. It fixes for every step what is easy to get wrong once: the script
 * goes over standard input, secrets with it and nowhere else; a deadline on the far side; an explicit update; order and
 * deletion bound to the machine. See docs/remote-steps.md.
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
  /** File of the script, as `new URL("./x.sh", import.meta.url)`. */
  readonly file: URL;
  /** Arguments: seen in the machine's process list, so never secrets. */
  readonly args?: readonly pulumi.Input<string>[];
  /** Lines of standard input, one a value: the place for secrets. */
  readonly stdin?: readonly pulumi.Input<string>[];
}

export interface RemoteStepArgs {
  readonly machine: Machine;
  /** Idempotent: it runs at create, again when anything it depends on changes, and after the machine was restarted. */
  readonly run: ScriptCall;
  /** Runs before the step goes away while its machine stays. A machine that goes takes the step with it. */
  readonly undo?: ScriptCall;
  /** Run `undo` also when the machine goes: for what must leave it first. Bounded, so that a dead machine cannot hold it. */
  readonly undoBeforeMachine?: boolean;
  /** After this many seconds the script is ended on the machine (TERM, then KILL after 10 s). */
  readonly timeoutSeconds?: number;
  /** Values that, when they change, make the step run again. */
  readonly inputs?: readonly pulumi.Input<string>[];
}

const defaultTimeoutSeconds = 300;

/** Functions that every script may call. */
export const prelude = readFileSync(new URL("./prelude.sh", import.meta.url), "utf8");

/** One script on one machine, as root. `stdout` is short: results go to files. */
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
        // The far side's own deadline comes first; this one is for a machine that no longer answers.
        customTimeouts: duration(seconds + 30),
      },
    );
    this.stdout = command.stdout;
    this.registerOutputs({ stdout: this.stdout });
  }
}

export interface RemoteFilesArgs {
  readonly machine: Machine;
  /** A local file or folder; of a folder whose name ends with a slash, the contents land in `path`. */
  readonly source: pulumi.Input<string>;
  /** Where they land on the machine. */
  readonly path: string;
  /** Of a folder: which of the files below it, by their paths from there; all when left out. They land in `path`. */
  readonly only?: (path: string) => boolean;
}

/** Files from this checkout on a machine. Its `hash` changes with their content: give it to a step's `inputs`. */
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
    // The resource keeps its id when its files change, so the hash is taken here: the one by which the provider tells.
    const hash = pulumi.output(args.source).apply(async (path) => {
      const { files, ...rest } = await readSource({ kind: "asset", path });
      return sourceHash({ ...rest, files: files.filter((file) => only?.(file.path) ?? true) });
    });
    this.hash = pulumi.all([hash, copy.id]).apply(([value]) => value);
    this.registerOutputs({ hash: this.hash });
  }
}

/** Some of the files below a folder, as an archive has them. */
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
