/**
 * The lab, from settings to results. Read it top to bottom: nothing flows back up.
 * settings -> machines -> services -> extensions -> benchmark -> outputs
 */
import * as pulumi from "@pulumi/pulumi";
import { armExtensions } from "./benchmarks/arms.ts";
import { Benchmark } from "./benchmarks/benchmark.ts";
import { port } from "./provisioning/ports.ts";
import { stackConfig } from "./stacks/config.ts";
import { loadExtensions } from "./stacks/extensions.ts";
import { lab } from "./stacks/lab.ts";
import { checkout } from "./stacks/local/paths.ts";
import { target } from "./stacks/target.ts";
import { healthOutput, monitoringOutput, nodesOutput, readmeOutput } from "./stacks/outputs.ts";
import { readSettings } from "./stacks/readSettings.ts";

const settings = readSettings(stackConfig());

const place = target(settings);
const cluster = lab(settings, place.machines, place.store);

const ofArms = settings.benchmark === "none" ? [] : armExtensions(settings.benchmarkArms);
const extensions = loadExtensions(settings.extensions, cluster, `${checkout}bpf`, ofArms);

const benchmark =
  settings.benchmark === "none"
    ? undefined
    : new Benchmark("benchmark", {
        machines: cluster.machines,
        profile: settings.benchmark,
        seed: settings.seed,
        arms: settings.benchmarkArms,
        mountPoint: settings.juicefs.mountPoint,
        redis: { host: cluster.redis.host, port: port("redis") },
        clock: settings.clock,
        services: cluster.services,
        cost: place.cost,
        settings: {
          topology: settings.topology,
          kernel: settings.kernel,
          juicefs: settings.juicefs,
          extensions: extensions.facts,
          monitoring: settings.monitoring,
        },
        after: [...cluster.up, ...extensions.resources],
      });

export const nodes = nodesOutput(cluster);
export const mountPoint = cluster.juicefs.mountPoint;
export const rayAddress = cluster.ray.address;
export const health = healthOutput(cluster);
export const monitoring = monitoringOutput(cluster);
export const readme = readmeOutput(cluster);
export const extensionVerdicts = pulumi.output(extensions.outputs);
export const targetFacts = place.outputs;
// An output that is undefined is warned of; null stands for none.
export const benchmarkSummary = benchmark?.summary ?? null;
export const benchmarkRun = benchmark?.run ?? null;
