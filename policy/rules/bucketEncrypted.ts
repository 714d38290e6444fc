/** A bucket's contents are encrypted at rest, by an explicit setting. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { at, besideEachBucket, forType, olderName } from "../rule.ts";

const type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";

export const bucketEncrypted: ResourceValidationPolicy & StackValidationPolicy = {
  name: "bucket-encrypted",
  description: "Buckets are encrypted.",
  enforcementLevel: "mandatory",
  validateResource: [type, olderName(type)].map((each) =>
    forType(each, (inputs) => {
      const algorithm = at(
        (inputs.rules as unknown[] | undefined)?.[0],
        "applyServerSideEncryptionByDefault",
        "sseAlgorithm",
      );
      return algorithm === "AES256" || algorithm === "aws:kms"
        ? []
        : ["does not encrypt the bucket: set sseAlgorithm to AES256 or aws:kms"];
    }),
  ),
  validateStack: besideEachBucket(
    type,
    "has no BucketServerSideEncryptionConfiguration: add one with AES256 or aws:kms",
  ),
};
