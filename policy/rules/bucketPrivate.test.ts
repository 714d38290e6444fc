import { stackViolations, violations } from "../testing.ts";
import { bucketPrivate } from "./bucketPrivate.ts";

const type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";
const passing = {
  bucket: "disgrafs-x",
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};
const bucket = { type: "aws:s3/bucket:Bucket", name: "data", props: { bucket: "disgrafs-x" } };

describe("bucket-private", () => {
  it("lets a right one pass", async () => {
    expect(await violations(bucketPrivate, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "one without blockPublicAcls",
      { blockPublicAcls: false },
      "leaves a way for public access: set blockPublicAcls to true",
    ],
    [
      "one without blockPublicPolicy",
      { blockPublicPolicy: false },
      "leaves a way for public access: set blockPublicPolicy to true",
    ],
    [
      "one without ignorePublicAcls",
      { ignorePublicAcls: false },
      "leaves a way for public access: set ignorePublicAcls to true",
    ],
    [
      "one without restrictPublicBuckets",
      { restrictPublicBuckets: false },
      "leaves a way for public access: set restrictPublicBuckets to true",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(bucketPrivate, type, { ...passing, ...change })).toEqual([message]);
  });

  it("wants one beside each bucket", async () => {
    expect(await stackViolations(bucketPrivate, [bucket, { type, name: "beside", props: passing }])).toEqual(
      [],
    );
    expect(await stackViolations(bucketPrivate, [bucket])).toEqual([
      "data has no BucketPublicAccessBlock: add one with all four set to true",
    ]);
    const other = { type, name: "beside", props: { ...passing, bucket: "disgrafs-y" } };
    const second = { ...bucket, name: "more", props: { bucket: "disgrafs-y" } };
    expect(await stackViolations(bucketPrivate, [bucket, second, other])).toEqual([
      "data has no BucketPublicAccessBlock: add one with all four set to true",
    ]);
  });
});
