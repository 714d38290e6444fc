/** A bucket removes unfinished uploads, which cost money and are not in any list of objects. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { at, besideEachBucket, forType, olderName } from "../rule.ts";

const type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration";

export const bucketForgetsUploads: ResourceValidationPolicy & StackValidationPolicy = {
  name: "bucket-forgets-uploads",
  description: "Buckets abort unfinished uploads within 7 days.",
  enforcementLevel: "mandatory",
  validateResource: [type, olderName(type)].map((each) =>
    forType(each, (inputs) => {
      const rules = (inputs.rules ?? []) as unknown[];
      const aborts = rules.some(
        (rule) =>
          at(rule, "status") === "Enabled" &&
          Number(at(rule, "abortIncompleteMultipartUpload", "daysAfterInitiation")) <= 7,
      );
      return aborts
        ? []
        : ["keeps unfinished uploads: add a rule with abortIncompleteMultipartUpload of 7 days or less"];
    }),
  ),
  validateStack: besideEachBucket(
    type,
    "has no BucketLifecycleConfiguration: add one that aborts unfinished uploads",
  ),
};
