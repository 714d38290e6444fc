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
  it("accepts a correct one", async () => {
    expect(await violations(bucketPrivate, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "one without blockPublicAcls",
      { blockPublicAcls: false },
      "leaves public access possible: set blockPublicAcls to true",
    ],
    [
      "one without blockPublicPolicy",
      { blockPublicPolicy: false },
      "leaves public access possible: set blockPublicPolicy to true",
    ],
    [
      "one without ignorePublicAcls",
      { ignorePublicAcls: false },
      "leaves public access possible: set ignorePublicAcls to true",
    ],
    [
      "one without restrictPublicBuckets",
      { restrictPublicBuckets: false },
      "leaves public access possible: set restrictPublicBuckets to true",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(bucketPrivate, type, { ...passing, ...change })).toEqual([message]);
  });

  it("requires one for each bucket", async () => {
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
