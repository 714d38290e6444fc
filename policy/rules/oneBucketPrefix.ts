/** What a machine may do on AWS is what its jobs need: objects below one prefix of the lab's bucket. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { at, forType } from "../rule.ts";

interface Statement {
  readonly Effect: string;
  readonly Action?: string | string[];
  readonly Resource?: string | string[];
  readonly Condition?: unknown;
}

/** What AWS Session Manager's agent needs: the one policy of AWS's own that a machine may have. */
const sessionManager = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

export const oneBucketPrefix: ResourceValidationPolicy = {
  name: "one-bucket-prefix",
  description: "Machine roles may use one prefix of one bucket and nothing else.",
  enforcementLevel: "mandatory",
  validateResource: [
    forType("aws:iam/rolePolicy:RolePolicy", (inputs) => {
      // Not known yet at preview: looked at when it is.
      if (typeof inputs.policy !== "string") return [];
      const statements = (JSON.parse(inputs.policy) as { Statement: Statement[] }).Statement;
      return statements.filter(({ Effect }) => Effect === "Allow").flatMap(faults);
    }),
    forType("aws:iam/rolePolicyAttachment:RolePolicyAttachment", ({ policyArn }) =>
      typeof policyArn !== "string" || policyArn === sessionManager
        ? []
        : [`gives the role all of ${policyArn}: write what it needs into a RolePolicy`],
    ),
  ],
};

function faults({ Action, Resource, Condition }: Statement): string[] {
  if (Action === undefined || Resource === undefined)
    return ["allows all but what it names: give Action and Resource, not NotAction or NotResource"];
  const resources = [Resource].flat();
  return [Action].flat().flatMap((action) => {
    if (!action.startsWith("s3:")) return [`allows ${action}: machines use S3 only`];
    if (action.includes("*")) return [`allows ${action}: name the actions`];
    if (action === "s3:ListBucket") return listFaults(resources, at(Condition, "StringLike", "s3:prefix"));
    return resources
      .filter((resource) => !/^arn:aws:s3:::[a-z0-9.-]+\/[^*]+\/\*$/.test(resource))
      .map(
        (resource) =>
          `allows ${action} on ${resource}: name a prefix of one bucket, as arn:aws:s3:::bucket/volume/*`,
      );
  });
}

function listFaults(resources: readonly string[], prefix: unknown): string[] {
  const prefixes = [prefix].flat();
  const limited = prefixes.every((each) => typeof each === "string" && /^[^*?]+\/\*$/.test(each));
  return [
    ...(limited ? [] : [`lists all of ${resources.join(", ")}: add the condition s3:prefix`]),
    ...resources
      .filter((resource) => !/^arn:aws:s3:::[a-z0-9.-]+$/.test(resource))
      .map((resource) => `allows s3:ListBucket on ${resource}: name one bucket, as arn:aws:s3:::bucket`),
  ];
}
