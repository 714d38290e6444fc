/**
 * A benchmark run as Pulumi resources: copies the runner and the plan to the nodes, starts and follows the run, and fetches and
 * analyses its raw files on this computer. Unchanged settings never run again; see docs/benchmarks.md.
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
import type { Collected } from "./collect.ts";
import type { HostState } from "./host.ts";
import { buildPlan, limitSeconds, looksOf, type Plan } from "./plan.ts";
import type { Result } from "./run.ts";
import type { Profile } from "./workloads.ts";

export interface BenchmarkArgs {
  /** All machines of the lab. The first `ray-head` runs the driver; the `client`s run the workloads. */
  readonly machines: readonly Machine[];
  /** Folder on this computer with the program `loops`, built for the clients. */
  readonly program: pulumi.Input<string>;
  readonly profile: Profile;
  /** Seed for the order of the arms and for resampling; a new seed starts a new run. */
  readonly seed: number;
  /** Mount point of the volume on every client. */
  readonly mountPoint: string;
  /** Address of the metadata Redis for the clients. */
  readonly redis: { readonly host: pulumi.Input<string>; readonly port: number };
  /** Default: all arms that are not optional. The baseline is always included. */
  readonly arms?: readonly ArmName[];
  /** Rows of the verdict table for which the run measures more blocks until they are decided. */
  readonly rows?: readonly string[];
  /** Differences smaller than this do not matter. */
  readonly marginPercent?: number;
  /** Program that fetches and analyses the raw files: stacks/collectResults.ts. */
  readonly collector: URL;
  /** `instructions` if the VMs run with QEMU's -icount. */
  readonly clock?: "wall" | "instructions";
  /** Settings of the lab that affect a result (topology, kernel, JuiceFS options). No secrets. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Whether the lab has DisGraFS. */
  readonly disgrafs?: boolean;
  /** Services behind the volume besides JuiceFS, with versions, for the record. */
  readonly services?: Readonly<Record<string, pulumi.Input<string>>>;
  /** For a lab that costs money: its start time and USD an hour, for the record of its usage. */
  readonly cost?: pulumi.Input<Cost>;
  /** Whether the machines are virtual ones on this computer, whose load is then part of the record. */
  readonly onThisComputer?: boolean;
  /** Address of Prometheus, if the lab has monitoring; the run then stores its metrics. */
  readonly prometheus?: pulumi.Input<string>;
  /** Resources that must be ready first: the checks of the mounts and of the Ray nodes. */
  readonly after: readonly pulumi.Resource[];
}

export interface Cost {
  /** ISO 8601. */
  readonly created: string;
  readonly perHour: number | "unknown";
}

/** Id and folder of a run. */
export interface BenchmarkRun {
  readonly id: string;
  /** Folder of the results, relative to the checkout. */
  readonly path: string;
  readonly settingsHash: string;
  readonly seed: number;
}

/** Time limit of a step that follows the run, so that a lost connection is detected soon. */
const followSeconds = 900;

/** Real seconds per second of an instruction clock, as an upper limit (observed: 5 to 12). */
const slowestClock = 30;
const installed = "/opt/disgrafs/benchmarks";

/** Type of the component. */
export const benchmarkType = "disgrafs:benchmarks:Benchmark";

/** Runs the benchmark on the cluster, once for each set of settings, and outputs its verdicts. */
export class Benchmark extends pulumi.ComponentResource {
  /** One row per workload, figure and arm: ratio to the baseline with its interval, and the verdict. */
  readonly summary: pulumi.Output<Result[]>;
  readonly run: pulumi.Output<BenchmarkRun>;

  constructor(name: string, args: BenchmarkArgs, opts?: pulumi.ComponentResourceOptions) {
    super(benchmarkType, name, {}, opts);
    const clients = withRole(args.machines, "client");
    const head = withRole(args.machines, "ray-head")[0];
    if (!head || clients.length === 0)
      throw new Error(
        `a benchmark needs a ray-head and a client: set benchmark to none or add them to the topology`,
      );

    const plan = planOf(args, clients);
    const runId = plan.apply((value) => value.runId);
    const after = { parent: this, dependsOn: [...args.after] };
    const files = [...new Set([head, ...clients])].flatMap((machine) =>
      (["disgrafs_benchmark", "arms"] as const).map((folder) => {
        const source = fileURLToPath(
          new URL(folder === "arms" ? "./arms/" : `./runner/${folder}/`, import.meta.url),
        );
        const path = `${installed}/${folder}`;
        return new RemoteFiles(`${name}-${folder}-${machine.name}`, { machine, source, path }, after);
      }),
    );
    const programs = clients.map((machine) => {
      const source = pulumi.interpolate`${args.program}/`;
      const path = `${installed}/bin`;
      return new RemoteFiles(`${name}-program-${machine.name}`, { machine, source, path }, after);
    });
    const others = args.machines.filter(servesClients).map(
      (machine) =>
        new RemoteStep(
          `${name}-answer-${machine.name}`,
          {
            machine,
            run: {
              file: new URL("./nodes/answer.sh", import.meta.url),
              args: [machine.privateAddress, String(port("benchmarkCaches"))],
            },
            undo: { file: new URL("./nodes/noAnswer.sh", import.meta.url) },
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
      { parent: this, dependsOn: [...files, ...programs, ...others, ...args.after] },
    );
    const before = args.onThisComputer ? hostCommand(name, runId, this, place) : undefined;
    const host = before?.stdout.apply((text) => JSON.parse(text) as HostState);
    const collected = measure(name, head, { ...args, host }, runId, this, before ?? place);
    this.summary = collected.apply(({ results }) => [...results]);
    this.run = plan.apply(({ runId: id, settingsHash, seed }) => ({
      id,
      path: `results/${id}`,
      settingsHash,
      seed,
    }));
    this.registerOutputs({ summary: this.summary, run: this.run });
  }
}

/** Reads the load of this computer right before the run. */
function hostCommand(
  name: string,
  runId: pulumi.Output<string>,
  parent: pulumi.Resource,
  after: pulumi.Resource,
): local.Command {
  const file = fileURLToPath(new URL("./host.ts", import.meta.url));
  return new local.Command(
    `${name}-host`,
    {
      create: [process.execPath, "--disable-warning=ExperimentalWarning", file].map(quote).join(" "),
      triggers: [runId],
      logging: local.Logging.Stderr,
      addPreviousOutputInEnv: false,
    },
    { parent, dependsOn: [after] },
  );
}

/** Inputs of the steps of a run. */
interface MeasureArgs extends BenchmarkArgs {
  /** Load of this computer before the run, if the machines run on it. */
  readonly host: pulumi.Output<HostState> | undefined;
}

/**
 * The run, look by look: steps that start it (or resume it) and wait for it, then one that fetches and analyses what there
 * is. When that needs no more blocks, the steps after it only end the run.
 */
function measure(
  name: string,
  machine: Machine,
  args: MeasureArgs,
  runId: pulumi.Output<string>,
  parent: pulumi.Resource,
  first: pulumi.Resource,
): pulumi.Output<Collected> {
  const { profile, arms, rows } = args;
  const looks = looksOf(profile, rows);
  const last = looks.at(-1) ?? 0;
  const seconds = limitSeconds(profile, arms, rows);
  let previous = first;
  let number = 0;
  let target = pulumi.output<Goal>({ block: 0, then: "pause" });
  let collected = pulumi.output<Collected>({ decided: false, results: [] });
  for (const [index, look] of looks.entries()) {
    const share = (look - (looks[index - 1] ?? 0)) / last;
    const next: Goal = { block: look, then: look === last ? "end" : "pause" };
    target = pulumi
      .all([target, collected])
      .apply(([{ block }, { decided }]): Goal => (decided ? { block, then: "end" } : next));
    const count = Math.ceil((seconds * share) / followSeconds);
    for (let part = 1; part <= count; part++)
      previous = followStep(
        `${name}-run-${++number}`,
        machine,
        args,
        runId,
        target,
        part === count,
        parent,
        previous,
      );
    const step = collectStep(
      `${name}-results${look === last ? "" : `-${look}`}`,
      machine,
      args,
      runId,
      parent,
      previous,
    );
    collected = pulumi.unsecret(step.stdout).apply((text) => JSON.parse(text) as Collected);
    previous = step;
  }
  return collected;
}

/** Arguments of follow.sh: the block to reach, and whether the run then pauses or ends. */
interface Goal {
  readonly block: number;
  readonly then: "pause" | "end";
}

/** A step that starts or resumes the run, and follows it for a limited time. */
function followStep(
  name: string,
  machine: Machine,
  { clock }: BenchmarkArgs,
  runId: pulumi.Output<string>,
  target: pulumi.Output<Goal>,
  last: boolean,
  parent: pulumi.Resource,
  after: pulumi.Resource,
): RemoteStep {
  return new RemoteStep(
    name,
    {
      machine,
      run: {
        file: new URL("./nodes/follow.sh", import.meta.url),
        args: [
          runId,
          String(followSeconds - 60),
          last ? "last" : "more",
          target.apply(({ block }) => String(block)),
          target.apply(({ then }) => then),
        ],
      },
      // The script's seconds are the machine's.
      timeoutSeconds: followSeconds * (clock === "instructions" ? slowestClock : 1),
    },
    { parent, dependsOn: [after] },
  );
}

function collectStep(
  name: string,
  head: Machine,
  args: MeasureArgs,
  runId: pulumi.Output<string>,
  parent: pulumi.Resource,
  after: pulumi.Resource,
): local.Command {
  return new local.Command(
    name,
    {
      create: [process.execPath, fileURLToPath(args.collector)].map(quote).join(" "),
      stdin: pulumi.secret(
        pulumi.jsonStringify({
          runId,
          connection: head.connection,
          become: head.become,
          stack: pulumi.getStack(),
          services: args.services ?? {},
          ...(args.cost !== undefined && { cost: args.cost }),
          ...(args.prometheus !== undefined && { prometheus: args.prometheus }),
          ...(args.host && { host: args.host }),
        }),
      ),
      triggers: [runId],
      logging: local.Logging.Stderr,
      addPreviousOutputInEnv: false,
    },
    { parent, dependsOn: [after] },
  );
}

function planOf(args: BenchmarkArgs, clients: readonly Machine[]): pulumi.Output<Plan> {
  const { profile, seed, mountPoint, arms, redis, rows, marginPercent, disgrafs, clock = "wall" } = args;
  const others = args.machines.filter(servesClients);
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
        rows,
        marginPercent,
        disgrafs,
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

/** A node that serves clients without being one: the runner accesses it only through a socket. */
function servesClients({ roles }: Machine): boolean {
  return !roles.includes("client") && (roles.includes("meta") || roles.includes("objects"));
}

/** Hash of the code that runs on the nodes, so that figures of different versions are not mixed. */
function runnerHash(): string {
  const hash = createHash("sha256");
  for (const folder of ["./runner/disgrafs_benchmark/", "./arms/", "./loops/"]) {
    const path = fileURLToPath(new URL(folder, import.meta.url));
    for (const file of readdirSync(path)
      .filter((entry) => /\.(py|sh|c)$/.test(entry))
      .sort())
      hash
        .update(file)
        .update("\0")
        .update(readFileSync(join(path, file)));
  }
  return hash.digest("hex").slice(0, 12);
}
