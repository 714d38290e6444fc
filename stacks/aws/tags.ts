/** Tags on everything that a lab creates. They show the owner, and `./lab sweep --aws` finds leftovers by them. */
import type * as pulumi from "@pulumi/pulumi";

/** Tag keys. All but Name have a common prefix, so that a sweep recognises the lab's resources. */
export const tagKeys = {
  project: "disgrafs:project",
  stack: "disgrafs:stack",
  owner: "disgrafs:owner",
  run: "disgrafs:run",
  created: "disgrafs:created",
  expires: "disgrafs:expires",
  /** On a bucket that outlives its stack because of the setting keepData. */
  keep: "disgrafs:keep",
} as const;

/** Path of the roles and instance profiles: IAM can list by path, but not by tag. */
export const identityPath = "/disgrafs/";
/** Prefix of the names of buckets, schedules and state machines. */
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
