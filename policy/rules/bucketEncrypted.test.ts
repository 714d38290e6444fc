import { stackViolations, violations } from "../testing.ts";
import { bucketEncrypted } from "./bucketEncrypted.ts";

const type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
const passing = {
  bucket: "disgrafs-x",
  rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
};
const bucket = { type: "aws:s3/bucket:Bucket", name: "data", props: { bucket: "disgrafs-x" } };

describe("bucket-encrypted", () => {
  it("accepts a correct one", async () => {
    expect(await violations(bucketEncrypted, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    ["no rule", { rules: [] }, "does not encrypt the bucket: set sseAlgorithm to AES256 or aws:kms"],
    [
      "another algorithm",
      { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "rot13" } }] },
      "does not encrypt the bucket: set sseAlgorithm to AES256 or aws:kms",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(bucketEncrypted, type, { ...passing, ...change })).toEqual([message]);
  });

  it("requires one for each bucket", async () => {
    expect(
      await stackViolations(bucketEncrypted, [bucket, { type, name: "beside", props: passing }]),
    ).toEqual([]);
    expect(await stackViolations(bucketEncrypted, [bucket])).toEqual([
      "data has no BucketServerSideEncryptionConfiguration: add one with AES256 or aws:kms",
    ]);
    const other = { type, name: "beside", props: { ...passing, bucket: "disgrafs-y" } };
    const second = { ...bucket, name: "more", props: { bucket: "disgrafs-y" } };
    expect(await stackViolations(bucketEncrypted, [bucket, second, other])).toEqual([
      "data has no BucketServerSideEncryptionConfiguration: add one with AES256 or aws:kms",
    ]);
  });
});
