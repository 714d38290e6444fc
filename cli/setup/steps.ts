/** Runs all set-up steps in order, in one process at a time. */
import { mkdirSync } from "node:fs";
import { withLock } from "../../workshop/lock.ts";
import { inLab } from "../../workshop/checkout.ts";
import { debianStep, type Purpose } from "./debian.ts";
import { dashboardSchemaStep } from "./dashboardSchema.ts";
import { pulumiSteps } from "./pulumi.ts";
import { devToolsStep } from "./python.ts";
import { runSteps, type RunOptions, type Step } from "./runner.ts";

/** The steps for a purpose. They do not include Node.js, which the launcher has already installed. */
export function stepsFor(purpose: Purpose): Step[] {
  return [
    debianStep(purpose),
    ...pulumiSteps(),
    ...(purpose === "test" ? [devToolsStep(), dashboardSchemaStep()] : []),
  ];
}

/** Sets up this computer and checkout. Can be run at any time, also concurrently. */
export async function setUp(purpose: Purpose, options: RunOptions = {}): Promise<void> {
  const steps = stepsFor(purpose);
  if (options.dryRun) return runSteps(steps, options);
  mkdirSync(inLab(), { recursive: true });
  await withLock(
    inLab("setup.lock"),
    (line) => process.stderr.write(`${line}\n`),
    () => runSteps(steps, options),
  );
}
