/** Rejects AWS resource types that the pack does not know, because no rule checks them. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { machineTypes } from "../machines.ts";
import { olderName } from "../rule.ts";
import { taggable } from "./tagged.ts";

/** Types without tags that a rule of the pack checks, or that are harmless by themselves. */
const others = [
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ec2/securityGroupRule:SecurityGroupRule",
  "aws:iam/rolePolicy:RolePolicy",
  "aws:iam/userPolicy:UserPolicy",
  "aws:iam/groupPolicy:GroupPolicy",
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  "aws:iam/policyAttachment:PolicyAttachment",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  "aws:scheduler/schedule:Schedule",
];
const settingsOfBuckets = [
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
];

/** The AWS types that the pack knows. */
export const known: ReadonlySet<string> = new Set([
  ...machineTypes,
  ...taggable,
  ...others,
  ...settingsOfBuckets,
  ...settingsOfBuckets.map(olderName),
]);

export const knownTypes: ResourceValidationPolicy = {
  name: "known-types",
  description: "Only AWS resource types that this pack knows are allowed.",
  enforcementLevel: "mandatory",
  validateResource: ({ type }, report) => {
    if (/^aws(-native)?:/.test(type) && !known.has(type))
      report(
        `has a type that no rule checks (${type}): write a rule for it in policy/rules, or remove the resource`,
      );
  },
};
