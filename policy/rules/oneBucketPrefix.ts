/** A machine's permissions on AWS are minimal: objects below one prefix of the lab's bucket. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { list } from "../machines.ts";
import { at, forType, type Inputs } from "../rule.ts";
import { tagKeys } from "../../stacks/aws/tags.ts";

interface Statement {
  readonly Effect: string;
  readonly Action?: string | string[];
  readonly Resource?: string | string[];
  readonly Condition?: unknown;
}

/** The only managed AWS policy that a machine may have: the one that Session Manager's agent needs. */
const sessionManager = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

export const oneBucketPrefix: ResourceValidationPolicy = {
  name: "one-bucket-prefix",
  description: "Machine roles may use only one prefix of one bucket.",
  enforcementLevel: "mandatory",
  validateResource: [
    ...["rolePolicy:RolePolicy", "policy:Policy", "userPolicy:UserPolicy", "groupPolicy:GroupPolicy"].map(
      (type) => forType(`aws:iam/${type}`, ({ policy }) => policyFaults(policy)),
    ),
    forType("aws:iam/role:Role", (inputs) => [
      ...list(inputs.inlinePolicies).flatMap((inline) => policyFaults(at(inline, "policy"))),
      ...list(inputs.managedPolicyArns).flatMap(managedFaults),
    ]),
    ...["rolePolicyAttachment:RolePolicyAttachment", "policyAttachment:PolicyAttachment"].map((type) =>
      forType(`aws:iam/${type}`, ({ policyArn }: Inputs) => managedFaults(policyArn)),
    ),
  ],
};

function managedFaults(arn: unknown): string[] {
  return typeof arn !== "string" || arn === sessionManager
    ? []
    : [`grants the role all of ${arn}: write the needed permissions into a RolePolicy`];
}

/** A policy is JSON text or an object; its `Statement` is a list or a single statement. */
function policyFaults(policy: unknown): string[] {
  // Not known yet at preview: it is checked during the update.
  if (policy === undefined || policy === null) return [];
  let document: unknown = policy;
  if (typeof policy === "string")
    try {
      document = JSON.parse(policy);
    } catch {
      return ["has a policy that is not JSON"];
    }
  const statements = list(at(document, "Statement")) as Statement[];
  return statements.filter(({ Effect }) => Effect === "Allow").flatMap(faults);
}

function faults({ Action, Resource, Condition }: Statement): string[] {
  if (Action === undefined || Resource === undefined)
    return ["allows everything except what it names: use Action and Resource, not NotAction or NotResource"];
  const resources = [Resource].flat();
  return [Action].flat().flatMap((action) => {
    const terminates = terminatorFaults(action, resources, Condition);
    if (terminates) return terminates;
    if (!action.startsWith("s3:")) return [`allows ${action}: machines use S3 only`];
    if (action.includes("*")) return [`allows ${action}: name the actions`];
    if (action === "s3:ListBucket") return listFaults(resources, at(Condition, "StringLike", "s3:prefix"));
    return resources
      .filter((resource) => !/^arn:aws:s3:::[a-z0-9.-]+\/[^*]+\/\*$/.test(resource))
      .map(
        (resource) =>
          `allows ${action} on ${resource}: name a prefix of one bucket, such as arn:aws:s3:::bucket/volume/*`,
      );
  });
}

/** Faults of the actions of the schedule that ends a lab (stacks/aws/cleanup/deadline.ts); undefined for all other actions. */
function terminatorFaults(
  action: string,
  resources: readonly string[],
  condition: unknown,
): string[] | undefined {
  if (action === "ec2:DescribeInstances") return [];
  if (action === "ec2:TerminateInstances") {
    const run = at(condition, "StringEquals", `aws:ResourceTag/${tagKeys.run}`);
    return list(run).length > 0
      ? []
      : [`allows ${action} on any machine: add the condition aws:ResourceTag/${tagKeys.run}`];
  }
  if (action !== "states:StartExecution") return undefined;
  return resources
    .filter((resource) => !/^arn:aws[\w-]*:states:[^*]+$/.test(resource))
    .map((resource) => `allows ${action} on ${resource}: name one state machine`);
}

function listFaults(resources: readonly string[], prefix: unknown): string[] {
  const prefixes = [prefix].flat();
  const limited = prefixes.every((each) => typeof each === "string" && /^[^*?]+\/\*$/.test(each));
  return [
    ...(limited ? [] : [`lists all of ${resources.join(", ")}: add the condition s3:prefix`]),
    ...resources
      .filter((resource) => !/^arn:aws:s3:::[a-z0-9.-]+$/.test(resource))
      .map((resource) => `allows s3:ListBucket on ${resource}: name one bucket, such as arn:aws:s3:::bucket`),
  ];
}
