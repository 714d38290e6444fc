/** Builds the benchmark's C program once on this computer (workshop/builder/loops.ts), for all clients. */
import type * as pulumi from "@pulumi/pulumi";
import { loopsKey } from "../workshop/builder/loops.ts";
import { ensureFolder } from "../workshop/ensure.ts";

/** The folder that contains it, on this computer. */
export function benchmarkProgram(): pulumi.Output<string> {
  return ensureFolder("benchmark-program", "loops", loopsKey());
}
