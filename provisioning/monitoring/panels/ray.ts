/** Ray, as its head knows it (ray.py). */
import { inSection, one } from "./panel.ts";

const needs = "Ray";
const share = (resource: string): string =>
  `sum by (member) (disgrafs_ray_resource_used{resource="${resource}"}) / sum by (member) (disgrafs_ray_resource{resource="${resource}"})`;

export const ray = inSection("Ray", [
  {
    title: "Ray nodes",
    unit: "short",
    description: "By state. A node that is dead stays in the count until Ray is started again.",
    queries: one("disgrafs_ray_nodes", "{{state}}"),
    needs,
  },
  {
    title: "Ray CPUs in use",
    unit: "percentunit",
    description: "Share of what tasks and actors may ask for; not of the machine's CPU.",
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
    needs: "Ray, and an actor: DisGraFS or a benchmark",
  },
  {
    title: "Ray jobs",
    unit: "short",
    description: "Drivers that are connected.",
    queries: one("disgrafs_ray_jobs", "{{state}}"),
    needs,
  },
]);
