/** A plan for tests, here and in the runner's (which read it from plan.txt). */
import { buildPlan, type Plan, type PlanSettings } from "../plan.ts";

export const exampleSettings: PlanSettings = {
  profile: "smoke",
  seed: 7,
  clients: ["node1", "node2"],
  mountPoint: "/mnt/jfs",
  redis: { host: "10.77.0.10", port: 6379 },
  cacheDroppers: ["10.77.0.10"],
  clock: "wall",
  settings: { topology: "course" },
  machineIds: ["a", "b", "c"],
};

export function examplePlan(): Plan {
  return buildPlan(exampleSettings);
}
