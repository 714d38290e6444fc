import { stackViolations, violations } from "../testing.ts";
import { bucketForgetsUploads } from "./bucketForgetsUploads.ts";

const type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration";
const passing = {
  bucket: "disgrafs-x",
  rules: [{ status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } }],
};
const bucket = { type: "aws:s3/bucket:Bucket", name: "data", props: { bucket: "disgrafs-x" } };

describe("bucket-forgets-uploads", () => {
  it("accepts a correct one", async () => {
    expect(await violations(bucketForgetsUploads, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "no rule",
      { rules: [] },
      "keeps unfinished uploads: add a rule with abortIncompleteMultipartUpload of 7 days or less",
    ],
    [
      "a rule that is off",
      { rules: [{ status: "Disabled", abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } }] },
      "keeps unfinished uploads: add a rule with abortIncompleteMultipartUpload of 7 days or less",
    ],
    [
      "months",
      { rules: [{ status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: 90 } }] },
      "keeps unfinished uploads: add a rule with abortIncompleteMultipartUpload of 7 days or less",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(bucketForgetsUploads, type, { ...passing, ...change })).toEqual([message]);
  });

  it("requires one for each bucket", async () => {
    expect(
      await stackViolations(bucketForgetsUploads, [bucket, { type, name: "beside", props: passing }]),
    ).toEqual([]);
    expect(await stackViolations(bucketForgetsUploads, [bucket])).toEqual([
      "data has no BucketLifecycleConfiguration: add one that aborts unfinished uploads",
    ]);
    const other = { type, name: "beside", props: { ...passing, bucket: "disgrafs-y" } };
    const second = { ...bucket, name: "more", props: { bucket: "disgrafs-y" } };
    expect(await stackViolations(bucketForgetsUploads, [bucket, second, other])).toEqual([
      "data has no BucketLifecycleConfiguration: add one that aborts unfinished uploads",
    ]);
  });
});
