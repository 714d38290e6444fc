/** Assembles Neo4j's server once on this computer (workshop/neo4j.ts), for the graph's machine. */
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { cacheFolder } from "../workshop/checkout.ts";
import { ensure } from "../workshop/ensure.ts";
import { neo4jKey } from "../workshop/neo4j.ts";

/** The folder that holds it, on this computer. */
export function neo4jServer(): pulumi.Output<string> {
  const made = ensure("neo4j", "neo4j", {}, { key: neo4jKey() });
  return made.stdout.apply((text) => join(cacheFolder, (JSON.parse(text) as { build: string }).build));
}
