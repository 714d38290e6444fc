import { violations } from "../testing.ts";
import { oneBucketPrefix } from "./oneBucketPrefix.ts";

const type = "aws:iam/rolePolicy:RolePolicy";
const passing = {
  policy: JSON.stringify({
    Statement: [
      { Effect: "Allow", Action: ["s3:GetObject"], Resource: "arn:aws:s3:::disgrafs-x/volume/*" },
      {
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: "arn:aws:s3:::disgrafs-x",
        Condition: { StringLike: { "s3:prefix": "volume/*" } },
      },
    ],
  }),
};

describe("one-bucket-prefix", () => {
  it("lets a right one pass", async () => {
    expect(await violations(oneBucketPrefix, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "every action",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "arn:aws:s3:::disgrafs-x/volume/*" }],
        }),
      },
      "allows s3:*: name the actions",
    ],
    [
      "another service",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", Action: "ec2:RunInstances", Resource: "*" }],
        }),
      },
      "allows ec2:RunInstances: machines use S3 only",
    ],
    [
      "every bucket",
      { policy: JSON.stringify({ Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: "*" }] }) },
      "allows s3:GetObject on *: name a prefix of one bucket, as arn:aws:s3:::bucket/volume/*",
    ],
    [
      "a whole bucket",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::disgrafs-x/*" }],
        }),
      },
      "allows s3:GetObject on arn:aws:s3:::disgrafs-x/*: name a prefix of one bucket, as arn:aws:s3:::bucket/volume/*",
    ],
    [
      "the list of a whole bucket",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", Action: "s3:ListBucket", Resource: "arn:aws:s3:::disgrafs-x" }],
        }),
      },
      "lists all of arn:aws:s3:::disgrafs-x: add the condition s3:prefix",
    ],
    [
      "a list whose condition limits nothing",
      {
        policy: JSON.stringify({
          Statement: [
            {
              Effect: "Allow",
              Action: "s3:ListBucket",
              Resource: "arn:aws:s3:::disgrafs-x",
              Condition: { StringLike: { "s3:prefix": ["volume/*", "*"] } },
            },
          ],
        }),
      },
      "lists all of arn:aws:s3:::disgrafs-x: add the condition s3:prefix",
    ],
    [
      "the list of every bucket",
      {
        policy: JSON.stringify({
          Statement: [
            {
              Effect: "Allow",
              Action: "s3:ListBucket",
              Resource: "*",
              Condition: { StringLike: { "s3:prefix": "volume/*" } },
            },
          ],
        }),
      },
      "allows s3:ListBucket on *: name one bucket, as arn:aws:s3:::bucket",
    ],
    [
      "all but what is named",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", NotAction: "iam:*", Resource: "*" }],
        }),
      },
      "allows all but what it names: give Action and Resource, not NotAction or NotResource",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(oneBucketPrefix, type, { ...passing, ...change })).toEqual([message]);
  });

  it("lets a role have Session Manager's policy, and no other of AWS's", async () => {
    const attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
    const arn = (name: string) => ({ policyArn: `arn:aws:iam::aws:policy/${name}` });
    expect(await violations(oneBucketPrefix, attachment, arn("AmazonSSMManagedInstanceCore"))).toEqual([]);
    expect(await violations(oneBucketPrefix, attachment, arn("AdministratorAccess"))).toEqual([
      "gives the role all of arn:aws:iam::aws:policy/AdministratorAccess: write what it needs into a RolePolicy",
    ]);
  });

  it("looks at no other type", async () => {
    expect(await violations(oneBucketPrefix, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
