/** Builds the benchmark's C program once on this computer (workshop/builder/loops.ts), for all clients. */
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { loopsKey } from "../workshop/builder/loops.ts";
import { cacheFolder } from "../workshop/checkout.ts";
import { ensure } from "../workshop/ensure.ts";

/** The folder that holds it, on this computer. */
export function benchmarkProgram(): pulumi.Output<string> {
  const built = ensure("benchmark-program", "loops", {}, { key: loopsKey() });
  return built.stdout.apply((text) => join(cacheFolder, (JSON.parse(text) as { build: string }).build));
}
