/**
 * Values that a stack fixes at its first `up` and keeps in its state: its start time, run id, zone and images. Otherwise each
 * `up` would find newer values and replace machines that are in use.
 */
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * A value kept as it was at the first `up`. `pulumi up --replace URN` with the Stash's URN sets it again, and so does another
 * name.
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
  /** Id of this run of the stack: the time of its first `up` in a sortable form, and four random hex digits. */
  readonly run: pulumi.Output<string>;
  /** Start time, in the form 2026-11-25T18:00:00Z. */
  readonly created: pulumi.Output<string>;
  /** Expiry time, in the same form. */
  readonly expires: pulumi.Output<string>;
  /** Seconds until power-off, set at first boot; the exact time is set once the machine is up. */
  readonly fuseSeconds: pulumi.Output<number>;
}

/**
 * @param seconds from the first `up` to expiry: `aws.expiresAfter`, which `./lab extend` raises
 * The outputs fail if the lab has expired: an update would find no machines, or create new ones without an expiry.
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

/** @throws Error with advice if the lab has expired */
export function endOf(created: string, seconds: number, now: Date): string {
  const end = new Date(Date.parse(created) + seconds * 1000);
  if (end <= now)
    throw new Error(
      `this lab expired at ${isoSeconds(end)}: its machines are terminated or terminating. Create a new one: ./lab down --stack ` +
        `${pulumi.getStack()}, then ./lab up --stack ${pulumi.getStack()}`,
    );
  return isoSeconds(end);
}

/** UTC, to the second. */
export function isoSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
