/** The progress of a running benchmark. Its turns are shaded in all other panels. */
import { inSection, one, type Query } from "./panel.ts";

const needs = "a running benchmark: ./lab bench";

/**
 * The block, arm and workload that is being measured: its series is 1 during that time. The page and Grafana shade it in all
 * panels; the runner writes it (benchmarks/runner/disgrafs_benchmark/live.py).
 */
export const turns: Query = {
  expr: "disgrafs_benchmark_point == 1",
  legend: "{{arm}} {{workload}}, block {{block}}",
};

export const benchmark = inSection("Benchmark", [
  {
    title: "Points measured",
    unit: "short",
    description: "And how many there are in all requested blocks.",
    queries: [
      { expr: "disgrafs_benchmark_points_done", legend: "{{run}} measured" },
      { expr: "disgrafs_benchmark_points", legend: "{{run}} of" },
    ],
    needs,
  },
  {
    title: "Time left",
    unit: "s",
    description: "Estimated from the points measured so far.",
    queries: one("disgrafs_benchmark_left_seconds", "{{run}}"),
    needs,
  },
  {
    title: "Arm and workload",
    unit: "short",
    description: "1 while it is measured. The same times are shaded in the other panels.",
    queries: one("max by (arm, workload) (disgrafs_benchmark_point)", "{{arm}} {{workload}}"),
    needs,
  },
]);
