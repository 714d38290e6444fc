/** The benchmark that runs: its turns are shown over all other panels, and here is how far it is. */
import { inSection, one, type Query } from "./panel.ts";

const needs = "a benchmark that runs: ./lab bench";

/**
 * What is measured now, by block, arm and workload: 1 while it is. The page and Grafana draw it over all panels; the
 * runner writes it (benchmarks/runner/disgrafs_benchmark/live.py).
 */
export const turns: Query = {
  expr: "disgrafs_benchmark_point == 1",
  legend: "{{arm}} {{workload}}, block {{block}}",
};

export const benchmark = inSection("Benchmark", [
  {
    title: "Points measured",
    unit: "short",
    description: "Of how many, up to the block that was asked for.",
    queries: [
      { expr: "disgrafs_benchmark_points_done", legend: "{{run}} measured" },
      { expr: "disgrafs_benchmark_points", legend: "{{run}} of" },
    ],
    needs,
  },
  {
    title: "Time left",
    unit: "s",
    description: "By the points measured so far.",
    queries: one("disgrafs_benchmark_left_seconds", "{{run}}"),
    needs,
  },
  {
    title: "Arm and workload",
    unit: "short",
    description: "1 while it is measured; over the other panels as coloured stretches.",
    queries: one("max by (arm, workload) (disgrafs_benchmark_point)", "{{arm}} {{workload}}"),
    needs,
  },
]);
