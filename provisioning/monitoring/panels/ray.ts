/** Ray's state according to its head (ray_state.py), and Ray's own metrics (setting `rayMetrics`). */
import { inSection, one } from "./panel.ts";

const needs = "Ray";
const ownMetrics = "rayMetrics=true";
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
  {
    title: "Ray tasks",
    unit: "short",
    description: "Of drivers that still run, by state.",
    queries: one("sum by (State) (ray_tasks)", "{{State}}"),
    needs: `${ownMetrics} and a driver with tasks: a benchmark, or a program of yours`,
  },
  {
    title: "Memory of Ray's processes",
    unit: "bytes",
    description: "Resident memory, by kind of process.",
    queries: one("sum by (node, Component) (ray_component_rss_bytes)", "{{node}} {{Component}}"),
    needs: ownMetrics,
  },
  {
    title: "CPU time of Ray's processes",
    unit: "percentunit",
    description: "Share of one CPU, by kind of process.",
    queries: one("sum by (node, Component) (ray_component_cpu_percentage) / 100", "{{node}} {{Component}}"),
    needs: ownMetrics,
  },
]);
