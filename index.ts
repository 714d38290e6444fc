/**
 * The Pulumi program of the lab. Data flows from top to bottom:
 * settings -> machines -> services -> extensions -> benchmark -> outputs
 */
import "./stacks/plainStackTraces.ts";
import * as pulumi from "@pulumi/pulumi";
import { armExtensions } from "./benchmarks/arms.ts";
import { Benchmark, benchmarkType } from "./benchmarks/benchmark.ts";
import { port } from "./provisioning/ports.ts";
import { benchmarkProgram } from "./stacks/benchmarkProgram.ts";
import { stackConfig } from "./stacks/config.ts";
import { loadExtensions } from "./stacks/extensions.ts";
import { makeCluster } from "./stacks/cluster.ts";
import { grafanaFile } from "./stacks/grafana.ts";
import { leaving, noteResources } from "./stacks/leaving.ts";
import { makeTarget } from "./stacks/target.ts";
import {
  disgrafsOutput,
  healthOutput,
  monitoringOutput,
  nodesOutput,
  readmeOutput,
} from "./stacks/outputs.ts";
import { readSettings } from "./stacks/readSettings.ts";

const made = noteResources();
const settings = readSettings(stackConfig());

const grafana = await grafanaFile(settings);
const target = makeTarget(settings);
const cluster = makeCluster(settings, target.machines, { store: target.store, grafana });

const ofArms = settings.benchmark === "none" ? [] : armExtensions(settings.benchmarkArms);
const extensions = loadExtensions(settings.extensions, cluster, ofArms);

const wanted =
  settings.benchmark === "none" ? undefined : { profile: settings.benchmark, program: benchmarkProgram() };
// Pulumi removes at the end of an update. A benchmark beside what its settings no longer have would measure that too.
const first = wanted ? await leaving(made, benchmarkType) : [];
if (first.length > 0)
  await pulumi.log.warn(
    `no benchmark in this update, which removes ${first.join(", ")}: it follows with the next`,
  );

const benchmark =
  wanted === undefined || first.length > 0
    ? undefined
    : new Benchmark("benchmark", {
        ...wanted,
        machines: cluster.machines,
        seed: settings.seed,
        arms: settings.benchmarkArms,
        rows: settings.benchmarkRows,
        marginPercent: settings.benchmarkMarginPercent,
        collector: new URL("./stacks/collectResults.ts", import.meta.url),
        mountPoint: settings.juicefs.mountPoint,
        redis: { host: cluster.redis.host, port: port("redis") },
        clock: settings.clock,
        disgrafs: settings.disgrafs !== undefined,
        services: cluster.services,
        cost: target.cost,
        prometheus: cluster.monitoring?.prometheus,
        onThisComputer: settings.target === "local",
        settings: {
          topology: settings.topology,
          kernel: settings.kernel,
          juicefs: settings.juicefs,
          extensions: extensions.facts,
          monitoring: settings.monitoring,
          ...(cluster.grafana && { grafana: true }),
        },
        after: [...cluster.up, ...extensions.resources],
      });

export const nodes = nodesOutput(cluster);
export const mountPoint = cluster.juicefs.mountPoint;
export const rayAddress = cluster.ray.address;
export const health = healthOutput(cluster);
export const monitoring = monitoringOutput(cluster);
export const disgrafs = disgrafsOutput(cluster);
export const readme = readmeOutput(cluster);
export const extensionVerdicts = pulumi.output(extensions.outputs);
export const targetFacts = target.outputs;
// Pulumi warns about outputs that are undefined, so null stands for none.
export const benchmarkSummary = benchmark?.summary ?? null;
export const benchmarkRun = benchmark?.run ?? null;
/** True after an update that left the benchmark out to remove other resources first: run another. */
export const benchmarkWaits = first.length > 0 ? true : null;
