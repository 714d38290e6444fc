/** Nothing in a lab's bucket is public or can be made public. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { besideEachBucket, forType } from "../rule.ts";

const type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";

export const bucketPrivate: ResourceValidationPolicy & StackValidationPolicy = {
  name: "bucket-private",
  description: "Buckets block all public access.",
  enforcementLevel: "mandatory",
  validateResource: forType(type, (inputs) =>
    (["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"] as const)
      .filter((key) => inputs[key] !== true)
      .map((key) => `leaves public access possible: set ${key} to true`),
  ),
  validateStack: besideEachBucket(type, "has no BucketPublicAccessBlock: add one with all four set to true"),
};
