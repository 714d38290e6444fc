/** Ray's state according to its head (ray_state.py). */
import { inSection, one } from "./panel.ts";

const needs = "Ray";
const share = (resource: string): string =>
  `sum by (member) (disgrafs_ray_resource_used{resource="${resource}"}) / sum by (member) (disgrafs_ray_resource{resource="${resource}"})`;

export const ray = inSection("Ray", [
  {
    title: "Ray nodes",
    unit: "short",
    description: "By state. A dead node stays in the count until Ray restarts.",
    queries: one("disgrafs_ray_nodes", "{{state}}"),
    needs,
  },
  {
    title: "Ray CPUs in use",
    unit: "percentunit",
    description: "Share of the CPUs that tasks and actors can reserve; not the machine's CPU time.",
    queries: one(share("CPU"), "{{member}}"),
    needs,
  },
  {
    title: "Ray object store in use",
    unit: "percentunit",
    description: "Share of its size on each node.",
    queries: one(share("object_store_memory"), "{{member}}"),
    needs,
    worry: 0.9,
  },
  {
    title: "Ray actors",
    unit: "short",
    description: "By state.",
    queries: one("sum by (state) (disgrafs_ray_actors)", "{{state}}"),
    needs: "Ray and an actor: from DisGraFS or a benchmark",
  },
  {
    title: "Ray jobs",
    unit: "short",
    description: "Drivers, by state.",
    queries: one("disgrafs_ray_jobs", "{{state}}"),
    needs,
  },
]);
