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
 * @throws Error that says which part of a pattern names nothing, and what exists in its place
 */
export function matchRows(rows: readonly string[], patterns: readonly string[]): string[] {
  const named = new Set(patterns.flatMap((pattern) => rowsOf(pattern, rows)));
  return rows.filter((row) => named.has(row));
}

const kinds = ["workload", "figure", "arm"] as const;

/** @throws Error if the pattern names no row */
function rowsOf(pattern: string, rows: readonly string[]): readonly string[] {
  const refuse = (reason: string): never => {
    throw new Error(
      `no row of the verdict table is called "${pattern}": ${reason}. A row is WORKLOAD/FIGURE/ARM, and * stands for all`,
    );
  };
  if (rows.length === 0) return refuse("the run has no arm besides the baseline");
  const parts = pattern.split("/");
  if (parts.length > kinds.length) return refuse(`it has ${parts.length} parts`);
  let left = rows;
  for (const [place, wanted] of parts.entries()) {
    const existing = [...new Set(left.map((row) => row.split("/")[place] ?? ""))];
    const of = place === 1 && parts[0] !== "*" ? `${parts[0]} has` : "the run has";
    if (wanted !== "*" && !existing.includes(wanted))
      return refuse(`${of} no ${kinds[place]} "${wanted}"; the ${kinds[place]}s: ${existing.join(", ")}`);
    left = left.filter((row) => wanted === "*" || row.split("/")[place] === wanted);
  }
  return left;
}
