/** Tags on everything that a lab makes: by them people see whose it is, and `./lab sweep --aws` finds what is left. */
import type * as pulumi from "@pulumi/pulumi";

/** Tag keys. All but Name begin alike, so that a sweep can tell our things from others'. */
export const tagKeys = {
  project: "disgrafs:project",
  stack: "disgrafs:stack",
  owner: "disgrafs:owner",
  run: "disgrafs:run",
  created: "disgrafs:created",
  expires: "disgrafs:expires",
  /** On a bucket that outlives its stack by the settings' keepData. */
  keep: "disgrafs:keep",
} as const;

/** Path of the roles and instance profiles: IAM finds by path at once, and by tag only one by one. */
export const identityPath = "/disgrafs/";
/** Names of buckets, schedules and state machines begin so. */
export const nameStart = "disgrafs-";

/** Value of the project tag. */
export const projectTag = "disgrafs-lab";

export interface TagValues {
  readonly stack: string;
  readonly owner: string;
  readonly run: pulumi.Input<string>;
  readonly created: pulumi.Input<string>;
  readonly expires: pulumi.Input<string>;
}

export type Tags = Record<string, pulumi.Input<string>>;

/** The tags of a resource, by its name. */
export type Tagger = (name: string) => Tags;

export function tagger(values: TagValues): Tagger {
  return (name) => ({
    Name: `${values.stack}-${name}`,
    [tagKeys.project]: projectTag,
    [tagKeys.stack]: values.stack,
    [tagKeys.owner]: values.owner,
    [tagKeys.run]: values.run,
    [tagKeys.created]: values.created,
    [tagKeys.expires]: values.expires,
  });
}
