/**
 * What a stack settles once, at its first `up`, and keeps in its state: when it began, its run id, the zone, the images.
 * Without that, each `up` would find newer values and replace machines that are in use.
 */
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * A value kept as it was at the first `up`. It is settled anew by `pulumi up --replace URN` with the Stash's URN, or by
 * another name.
 */
export function settled(
  name: string,
  value: pulumi.Input<string>,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const stash = new pulumi.Stash(name, { input: value }, { ...opts, ignoreChanges: ["input"] });
  return stash.output as pulumi.Output<string>;
}

export interface Lifetime {
  /** Id of this life of the stack: its first `up` in a sortable form, and four random hex digits. */
  readonly run: pulumi.Output<string>;
  /** When the stack began, as 2026-11-25T18:00:00Z. */
  readonly created: pulumi.Output<string>;
  /** When its machines go, likewise. */
  readonly expires: pulumi.Output<string>;
  /** Seconds until power-off that are armed at first boot; the exact time is set once the machine is there. */
  readonly fuseSeconds: pulumi.Output<number>;
}

/**
 * @param seconds from the first `up` to expiry: `aws.expiresAfter`, which `./lab extend` raises
 * The outputs fail when the lab is over: an update would find its machines gone, or make new ones without an end.
 */
export function lifetime(seconds: number, now: Date, opts: pulumi.CustomResourceOptions): Lifetime {
  const created = settled("created", isoSeconds(now), opts);
  const run = settled(
    "run",
    `${isoSeconds(now).replaceAll(/[-:]/g, "")}-${randomBytes(2).toString("hex")}`,
    opts,
  );
  // User data must not change when a lab is extended: that would replace its machines.
  const fuse = settled("fuse", String(seconds), opts);
  return {
    run,
    created,
    expires: created.apply((text) => endOf(text, seconds, now)),
    fuseSeconds: fuse.apply(Number),
  };
}

/** @throws Error with what to do when that time is over */
export function endOf(created: string, seconds: number, now: Date): string {
  const end = new Date(Date.parse(created) + seconds * 1000);
  if (end <= now)
    throw new Error(
      `this lab expired at ${isoSeconds(end)}: its machines are gone, or going. Make a new one: ./lab down --stack ` +
        `${pulumi.getStack()}, then ./lab up --stack ${pulumi.getStack()}`,
    );
  return isoSeconds(end);
}

/** UTC, to the second. */
export function isoSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
