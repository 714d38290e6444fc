/**
 * Which of the things that labs have on AWS a sweep is for. An account may have several tenants whose stacks have equal
 * names, so a name alone chooses nothing: owner and run id say whose a thing is.
 */
import type { Leftover } from "./leftovers.ts";

/** Whose things: of these owners, or of everybody who has a lab in the account. */
export type Owners = readonly string[] | "everyone";

export interface Selection {
  readonly owners: Owners;
  /** Of this run, whether or not it is over; without it, of all runs whose time is over. */
  readonly run?: string;
  /** Of this stack only. */
  readonly stack?: string;
  readonly now: Date;
  /** Also buckets that their settings keep. */
  readonly withData: boolean;
}

export function select(all: readonly Leftover[], selection: Selection): Leftover[] {
  const { run, now, withData } = selection;
  return inScope(all, selection).filter((each) => {
    if (each.keep && !withData) return false;
    if (run !== undefined) return each.run === run;
    // What has no readable end may be in use: only its run id chooses it.
    return each.expires !== undefined && each.expires <= now;
  });
}

/** Of the right owners and stack, chosen or not. */
export function inScope(
  all: readonly Leftover[],
  { owners, stack }: Pick<Selection, "owners" | "stack">,
): Leftover[] {
  return all.filter(
    (each) =>
      (owners === "everyone" || owners.includes(each.owner)) && (stack === undefined || each.stack === stack),
  );
}

/** How many things each owner has, by name. */
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
