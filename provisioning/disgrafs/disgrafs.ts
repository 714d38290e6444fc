/**
 * DisGraFS: the index follows the volume's changes, and the taggers label files by content. The index and the taggers'
 * dispatcher run on the Ray head, which must have the volume mounted; the taggers run on every client. See docs/disgrafs.md.
 */
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { createFolder } from "../folder/copiedFolder.ts";
import type { Graph } from "../graph/graph.ts";
import type { Juicefs } from "../juicefs/juicefs.ts";
import { withRole, type Machine } from "../machine.ts";
import { venv } from "../packages.ts";
import { port } from "../ports.ts";
import type { Ray } from "../ray/ray.ts";
import { RemoteFiles, RemoteStep } from "../remote.ts";

export interface DisgrafsArgs {
  readonly machines: readonly Machine[];
  readonly juicefs: Juicefs;
  readonly ray: Ray;
  readonly graph: Graph;
  /** Tagging processes on each client. */
  readonly taggers: number;
  /** Names of directories to leave out, besides the benchmark's. */
  readonly exclude: readonly string[];
}

interface Check {
  readonly files: number;
  readonly tags: number;
  /** Seconds from a client's write to its tag in the graph, for the slowest client. */
  readonly seconds: number;
}

/** Path of the package on the nodes, for Python. */
export const app = "/opt/disgrafs/app";

/** Where a benchmark keeps its data (DATA_FOLDER in benchmarks/runner): tagging them would take time from what is measured. */
export const benchmarkFolder = ".disgrafs-benchmark";

/** Names as DISGRAFS_EXCLUDE has them: percent-encoded, so that the unit's environment file needs no quotes. */
export function excludeList(names: readonly string[]): string {
  const encoded = names.map((name) =>
    encodeURIComponent(name).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`),
  );
  return encoded.join("/");
}

/** True for the files of the package that nodes need: no tests, and no files left by tools. */
export function isRun(path: string): boolean {
  return !/(^|\/)(\.[^/]*|__pycache__|tests|README\.md|pyproject\.toml)(\/|$)/.test(path);
}

/** Ready when a file written by each client has been found by its tag. */
export class Disgrafs extends pulumi.ComponentResource {
  /** Number of files in the graph at the check. */
  readonly files: pulumi.Output<number>;
  readonly tags: pulumi.Output<number>;
  readonly searchableSeconds: pulumi.Output<number>;
  /** Hash of the package: its services restart when it changes. */
  readonly source: pulumi.Output<string>;
  /** The step that starts the services. They may not have tagged anything yet. */
  readonly started: RemoteStep;
  /** To depend on. */
  readonly check: RemoteStep;

  constructor(name: string, args: DisgrafsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:provisioning:Disgrafs", name, {}, opts);
    const { machines, juicefs, ray, graph } = args;
    const [head] = withRole(machines, "ray-head");
    if (!head) throw new Error("DisGraFS needs a Ray head");
    const clients = withRole(machines, "client");
    const folder = fileURLToPath(new URL("../../disgrafs", import.meta.url));
    const copies = machines.map((machine) => {
      const place = new RemoteStep(
        `${name}-place-${machine.name}`,
        {
          machine,
          run: { file: createFolder, args: [app] },
          undo: { file: new URL("./remove.sh", import.meta.url), args: [app] },
        },
        { parent: this, dependsOn: [...juicefs.ready] },
      );
      // Clients run taggers and the command `disgrafs`.
      return new RemoteFiles(
        `${name}-files-${machine.name}`,
        { machine, source: folder, path: `${app}/disgrafs`, only: isRun },
        { parent: this, dependsOn: [place] },
      );
    });
    this.source = pulumi.all(copies.map(({ hash }) => hash)).apply((hashes) => hashes[0] ?? "");
    this.started = new RemoteStep(
      `${name}-start`,
      {
        machine: head,
        run: {
          file: new URL("./start.sh", import.meta.url),
          args: [
            app,
            venv,
            juicefs.meta,
            juicefs.mountPoint,
            graph.address,
            ray.address,
            String(args.taggers),
            excludeList([benchmarkFolder, ...args.exclude]),
            head.emulated.apply((emulated) => (emulated ? "20" : "1")),
            pulumi.interpolate`${head.privateAddress}:${port("disgrafsIndexMetrics")}`,
            pulumi.interpolate`${head.privateAddress}:${port("disgrafsTaggerMetrics")}`,
          ],
        },
        undo: { file: new URL("./stop.sh", import.meta.url), args: [juicefs.meta] },
        // Restart for another volume or changed code.
        inputs: [juicefs.uuid, this.source],
        timeoutSeconds: 1800,
      },
      { parent: this, dependsOn: [...copies, ...graph.checks, ray.check] },
    );
    const writes = clients.map(
      (machine) =>
        new RemoteStep(
          `${name}-write-${machine.name}`,
          {
            machine,
            run: { file: new URL("./write.sh", import.meta.url), args: [juicefs.mountPoint] },
            undo: { file: new URL("./unwrite.sh", import.meta.url), args: [juicefs.mountPoint] },
            inputs: [juicefs.uuid, this.source],
          },
          { parent: this, dependsOn: [this.started] },
        ),
    );
    this.check = new RemoteStep(
      `${name}-check`,
      {
        machine: head,
        run: {
          file: new URL("./check.sh", import.meta.url),
          args: [app, venv, graph.address, ...writes.map(({ stdout }) => stdout)],
        },
        timeoutSeconds: 900,
      },
      { parent: this, dependsOn: writes },
    );
    const result = this.check.stdout.apply((text) => JSON.parse(text) as Check);
    this.files = result.files;
    this.tags = result.tags;
    this.searchableSeconds = result.seconds;
    this.registerOutputs({ files: this.files, tags: this.tags, searchableSeconds: this.searchableSeconds });
  }
}
