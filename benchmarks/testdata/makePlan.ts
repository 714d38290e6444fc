/** Writes plan.txt, the plan that the runner's tests read. */
import { writeFileSync } from "node:fs";
import { examplePlan } from "./examplePlan.ts";

writeFileSync(new URL("./plan.txt", import.meta.url), `${JSON.stringify(examplePlan(), undefined, 1)}\n`);
