/** Rows of the verdict table, named WORKLOAD/FIGURE/ARM: one figure of a workload in an arm. */
import { arms, baselineArm, type ArmName } from "./arms.ts";
import { workloads, workloadsOf, type Profile, type WorkloadFacts } from "./workloads.ts";

/** All rows of a run's table, in its order. */
export function tableRows(profile: Profile, chosen: readonly ArmName[], disgrafs: boolean): string[] {
  return workloadsOf(profile, disgrafs).flatMap((workload) => {
    const { once = [], figures }: WorkloadFacts = workloads[workload];
    if (once.includes(profile)) return [];
    return Object.keys(figures).flatMap((figure) =>
      (Object.keys(arms) as ArmName[])
        .filter((arm) => arm !== baselineArm && chosen.includes(arm))
        .map((arm) => `${workload}/${figure}/${arm}`),
    );
  });
}

/**
 * The rows of a table that patterns name: parts left out at the end, and `*`, stand for all.
 * @throws Error that says which rows there are, when a pattern names none
 */
export function matchRows(rows: readonly string[], patterns: readonly string[]): string[] {
  const matches = (row: string, pattern: string): boolean => {
    const parts = row.split("/");
    return pattern.split("/").every((wanted, place) => wanted === "*" || wanted === parts[place]);
  };
  const useless = patterns.find((pattern) => !rows.some((row) => matches(row, pattern)));
  if (useless !== undefined)
    throw new Error(
      `no row of the verdict table is called "${useless}"; a row is WORKLOAD/FIGURE/ARM, and * stands for all: ${rows.join(", ")}`,
    );
  return rows.filter((row) => patterns.some((pattern) => matches(row, pattern)));
}
