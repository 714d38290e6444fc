/** How much longer work takes than on the node's own disk, from the points of a run that has the arm `local`. */
import { arms, type ArmFacts, type ArmName } from "./arms.ts";
import type { Run } from "./run.ts";
import { median } from "./statistics.ts";
import { workloads, type WorkloadFacts } from "./workloads.ts";

export interface OverDisk {
  readonly workload: string;
  readonly figure: string;
  readonly title: string;
  /** By label: the time of the work, in times of that on the disk; the median of the blocks that have both. */
  readonly times: Readonly<Record<string, number>>;
}

/** Whether a run's arm uses the node's own disk instead of the volume. */
function isLocal(name: string): boolean {
  return name in arms && (arms[name as ArmName] as ArmFacts).local === true;
}

/** One entry for each figure of a workload on the volume; none if the run has no arm on the node's own disk. */
export function overDisk(run: Pick<Run, "arms" | "workloads" | "points" | "look">): OverDisk[] {
  const local = run.arms.find(({ name }) => isLocal(name))?.name;
  if (local === undefined) return [];
  const labels = run.arms.map(({ name }) => name).filter((name) => name !== local);
  // Like the verdicts, without the blocks after the last look.
  const counted = run.points.filter(({ warmUp, block }) => !warmUp && block <= run.look);
  return run.workloads.flatMap(({ name }) => {
    const facts: WorkloadFacts | undefined =
      name in workloads ? workloads[name as keyof typeof workloads] : undefined;
    if (facts?.place !== "mount") return [];
    const own = counted.filter(({ workload }) => workload === name);
    return Object.entries(facts.figures).map(([figure, { title, better }]) => {
      const of = (label: string, block: number): number | undefined =>
        own.find((point) => point.label === label && point.block === block)?.figures[figure];
      const times = labels.flatMap((label) => {
        const factors = own.flatMap(({ block, label: other, figures }) => {
          const [disk = 0, arm = 0] = [figures[figure], of(label, block)];
          if (other !== local || disk <= 0 || arm <= 0) return [];
          return [better === "higher" ? disk / arm : arm / disk];
        });
        return factors.length === 0 ? [] : [[label, median(factors)] as const];
      });
      return { workload: name, figure, title, times: Object.fromEntries(times) };
    });
  });
}
