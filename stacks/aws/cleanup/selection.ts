/**
 * Selects the resources that a sweep removes. Several users of one account may have stacks of the same name, so the name alone
 * selects nothing: owner and run id identify a resource's lab.
 */
import type { Leftover } from "./leftovers.ts";

/** Selected owners: these, or everybody with a lab in the account. */
export type Owners = readonly string[] | "everyone";

export interface Selection {
  readonly owners: Owners;
  /** Only this run, expired or not; by default all expired runs. */
  readonly run?: string;
  /** Only this stack. */
  readonly stack?: string;
  readonly now: Date;
  /** Include buckets kept by their settings. */
  readonly withData: boolean;
}

export function select(all: readonly Leftover[], selection: Selection): Leftover[] {
  const { run, now, withData } = selection;
  return inScope(all, selection).filter((each) => {
    if (each.keep && !withData) return false;
    if (run !== undefined) return each.run === run;
    // Without a readable expiry it may be in use, so only its run id selects it.
    return each.expires !== undefined && each.expires <= now;
  });
}

/** Resources of the selected owners and stack, whether or not they are selected for removal. */
export function inScope(
  all: readonly Leftover[],
  { owners, stack }: Pick<Selection, "owners" | "stack">,
): Leftover[] {
  return all.filter(
    (each) =>
      (owners === "everyone" || owners.includes(each.owner)) && (stack === undefined || each.stack === stack),
  );
}

/** Number of resources by owner. */
export function byOwner(all: readonly Leftover[]): { owner: string; things: number; stacks: string[] }[] {
  const owners = [...new Set(all.map(({ owner }) => owner))].sort();
  return owners.map((owner) => {
    const theirs = all.filter((each) => each.owner === owner);
    return {
      owner,
      things: theirs.length,
      stacks: [...new Set(theirs.map(({ stack }) => stack))].sort(),
    };
  });
}
