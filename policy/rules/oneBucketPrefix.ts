/** What a machine may do on AWS is what its jobs need: objects below one prefix of the lab's bucket. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { at, forType } from "../rule.ts";

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: unknown;
}

export const oneBucketPrefix: ResourceValidationPolicy = {
  name: "one-bucket-prefix",
  description: "Machine roles may use one prefix of one bucket and nothing else.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:iam/rolePolicy:RolePolicy", (inputs) => {
    // Not known yet at preview: looked at when it is.
    if (typeof inputs.policy !== "string") return [];
    const statements = (JSON.parse(inputs.policy) as { Statement: Statement[] }).Statement;
    return statements.filter(({ Effect }) => Effect === "Allow").flatMap(faults);
  }),
};

function faults({ Action, Resource, Condition }: Statement): string[] {
  const resources = [Resource].flat();
  return [Action].flat().flatMap((action) => {
    if (!action.startsWith("s3:")) return [`allows ${action}: machines use S3 only`];
    if (action.includes("*")) return [`allows ${action}: name the actions`];
    if (action === "s3:ListBucket")
      return at(Condition, "StringLike", "s3:prefix") === undefined
        ? [`lists all of ${resources.join(", ")}: add the condition s3:prefix`]
        : [];
    return resources
      .filter((resource) => !/^arn:aws:s3:::[a-z0-9.-]+\/[^*]+\/\*$/.test(resource))
      .map(
        (resource) =>
          `allows ${action} on ${resource}: name a prefix of one bucket, as arn:aws:s3:::bucket/volume/*`,
      );
  });
}
