/**
 * A benchmark run as resources: the runner and the plan are put on the nodes, the run is started and followed, its raw
 * files are brought back and analysed on this machine. Unchanged settings never run again; see docs/benchmarks.md.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
import { withRole, type Machine } from "../provisioning/machine.ts";
import { port } from "../provisioning/ports.ts";
import { RemoteFiles, RemoteStep } from "../provisioning/remote.ts";
import { quote } from "../provisioning/shell.ts";
import type { ArmName } from "./arms.ts";
import { buildPlan, limitSeconds, type Plan } from "./plan.ts";
import type { Result } from "./run.ts";
import type { Profile } from "./workloads.ts";

export interface BenchmarkArgs {
  /** All machines of the lab. The first `ray-head` runs the driver; the `client`s run the workloads. */
  readonly machines: readonly Machine[];
  readonly profile: Profile;
  /** Order of the arms and resampling; another seed is another run. */
  readonly seed: number;
  /** Where every client mounts the volume. */
  readonly mountPoint: string;
  /** The metadata Redis as the clients reach it. */
  readonly redis: { readonly host: pulumi.Input<string>; readonly port: number };
  /** Default: the arms of the table that are not optional. The baseline is always in it. */
  readonly arms?: readonly ArmName[];
  /** `instructions` when the VMs run with QEMU's -icount. */
  readonly clock?: "wall" | "instructions";
  /** Settings of the lab that a result depends on (topology, kernel, JuiceFS options): no secrets. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the volume is made of besides JuiceFS, with versions, for the record. */
  readonly services?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Of a lab that is paid for: when it began and USD an hour, for the record of what it had used. */
  readonly cost?: pulumi.Input<Cost>;
  /** What must be ready before: the steps that check the mounts and that all Ray nodes are alive. */
  readonly after: readonly pulumi.Resource[];
}

export interface Cost {
  /** ISO 8601. */
  readonly created: string;
  readonly perHour: number | "unknown";
}

/** Identity and place of a run. */
export interface BenchmarkRun {
  readonly id: string;
  /** Folder of the results, relative to the checkout. */
  readonly path: string;
  readonly settingsHash: string;
  readonly seed: number;
}

/** A step that follows the run lasts at most this long, so that a lost connection is noticed and costs little. */
const followSeconds = 900;

/** A clock of instructions may stand for this many seconds here in one of its own (seen: 5 to 12). */
const slowestClock = 30;
const installed = "/opt/disgrafs/benchmarks";

/** Runs the benchmark on the cluster, once for each set of settings, and gives its verdicts. */
export class Benchmark extends pulumi.ComponentResource {
  /** A row for each workload, figure and arm: ratio to the baseline with its interval, and the verdict. */
  readonly summary: pulumi.Output<Result[]>;
  readonly run: pulumi.Output<BenchmarkRun>;

  constructor(name: string, args: BenchmarkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:benchmarks:Benchmark", name, {}, opts);
    const clients = withRole(args.machines, "client");
    const head = withRole(args.machines, "ray-head")[0];
    if (!head || clients.length === 0)
      throw new Error(
        `a benchmark needs a ray-head and a client: set benchmark to none or add them to the topology`,
      );

    const plan = planOf(args, clients);
    const runId = plan.apply((value) => value.runId);
    const files = [...new Set([head, ...clients])].flatMap((machine) =>
      (["disgrafs_benchmark", "arms"] as const).map(
        (folder) =>
          new RemoteFiles(
            `${name}-${folder}-${machine.name}`,
            {
              machine,
              source: fileURLToPath(
                new URL(folder === "arms" ? "./arms/" : `./runner/${folder}/`, import.meta.url),
              ),
              path: `${installed}/${folder}`,
            },
            { parent: this, dependsOn: [...args.after] },
          ),
      ),
    );
    const droppers = args.machines.filter(dropsCaches).map(
      (machine) =>
        new RemoteStep(
          `${name}-caches-${machine.name}`,
          {
            machine,
            run: {
              file: new URL("./nodes/dropCaches.sh", import.meta.url),
              args: [machine.privateAddress, String(port("benchmarkCaches"))],
            },
            undo: { file: new URL("./nodes/keepCaches.sh", import.meta.url) },
          },
          { parent: this, dependsOn: [...args.after] },
        ),
    );
    const place = new RemoteStep(
      `${name}-plan`,
      {
        machine: head,
        run: {
          file: new URL("./nodes/place.sh", import.meta.url),
          args: [runId, plan.apply((value) => JSON.stringify(value))],
        },
        undo: { file: new URL("./nodes/stop.sh", import.meta.url), args: [runId] },
      },
      { parent: this, dependsOn: [...files, ...droppers, ...args.after] },
    );
    const follow = followRun(name, head, args, runId, this, place);
    const collected = new local.Command(
      `${name}-results`,
      {
        create: collectCommand,
        stdin: pulumi.secret(
          pulumi.jsonStringify({
            runId,
            connection: head.connection,
            become: head.become,
            stack: pulumi.getStack(),
            services: args.services ?? {},
            ...(args.cost !== undefined && { cost: args.cost }),
          }),
        ),
        triggers: [runId],
        logging: local.Logging.Stderr,
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: [follow] },
    );
    this.summary = pulumi.unsecret(collected.stdout).apply((text) => JSON.parse(text) as Result[]);
    this.run = plan.apply(({ runId: id, settingsHash, seed }) => ({
      id,
      path: `results/${id}`,
      settingsHash,
      seed,
    }));
    this.registerOutputs({ summary: this.summary, run: this.run });
  }
}

const collectCommand = [process.execPath, fileURLToPath(new URL("./collect.ts", import.meta.url))]
  .map(quote)
  .join(" ");

/** The steps that start (or resume) the run and wait for its end: one after the other, each for a bounded time. */
function followRun(
  name: string,
  machine: Machine,
  { profile, arms, clock }: BenchmarkArgs,
  runId: pulumi.Output<string>,
  parent: pulumi.Resource,
  first: pulumi.Resource,
): pulumi.Resource {
  const count = Math.ceil(limitSeconds(profile, arms) / followSeconds);
  let previous = first;
  for (let number = 1; number <= count; number++) {
    const step = new RemoteStep(
      `${name}-run-${number}`,
      {
        machine,
        run: {
          file: new URL("./nodes/follow.sh", import.meta.url),
          args: [runId, String(followSeconds - 60), number === count ? "last" : "more"],
        },
        // The script's seconds are the machine's.
        timeoutSeconds: followSeconds * (clock === "instructions" ? slowestClock : 1),
      },
      { parent, dependsOn: [previous] },
    );
    previous = step;
  }
  return previous;
}

function planOf(args: BenchmarkArgs, clients: readonly Machine[]): pulumi.Output<Plan> {
  const { profile, seed, mountPoint, arms, redis, clock = "wall" } = args;
  const others = args.machines.filter(dropsCaches);
  return pulumi
    .all([
      redis.host,
      pulumi.all(args.machines.map((machine) => machine.id)),
      pulumi.all(others.map((machine) => machine.privateAddress)),
    ])
    .apply(([host, machineIds, cacheDroppers]) =>
      buildPlan({
        profile,
        seed,
        arms,
        mountPoint,
        clock,
        cacheDroppers,
        machineIds,
        clients: clients.map((machine) => machine.name),
        redis: { host, port: redis.port },
        settings: { ...args.settings, runner: runnerHash() },
      }),
    );
}

/** A node that serves clients but is none: the runner reaches it only through a socket. */
function dropsCaches({ roles }: Machine): boolean {
  return !roles.includes("client") && (roles.includes("meta") || roles.includes("objects"));
}

/** Hash of what runs on the nodes: figures taken by another version of it are not mixed with new ones. */
function runnerHash(): string {
  const hash = createHash("sha256");
  for (const folder of ["./runner/disgrafs_benchmark/", "./arms/"]) {
    const path = fileURLToPath(new URL(folder, import.meta.url));
    for (const file of readdirSync(path)
      .filter((entry) => /\.(py|sh)$/.test(entry))
      .sort())
      hash
        .update(file)
        .update("\0")
        .update(readFileSync(join(path, file)));
  }
  return hash.digest("hex").slice(0, 12);
}
