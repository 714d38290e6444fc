/** Folders that are assembled once on this computer (workshop/main.ts), and then copied to machines. */
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { cacheFolder } from "../workshop/checkout.ts";
import { ensure } from "../workshop/ensure.ts";
import { neo4jKey } from "../workshop/neo4j.ts";
import { rayMetricsKey } from "../workshop/rayMetrics.ts";

const keys = { neo4j: neo4jKey, rayMetrics: rayMetricsKey };

/** The folder of Neo4j's server, or of the packages for Ray's metrics, on this computer. */
export function assembled(thing: keyof typeof keys, name: string): pulumi.Output<string> {
  const made = ensure(name, thing, {}, { key: keys[thing]() });
  return made.stdout.apply((text) => join(cacheFolder, (JSON.parse(text) as { build: string }).build));
}
