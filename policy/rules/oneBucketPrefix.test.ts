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
  it("accepts a correct one", async () => {
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
      "allows s3:GetObject on *: name a prefix of one bucket, such as arn:aws:s3:::bucket/volume/*",
    ],
    [
      "a whole bucket",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::disgrafs-x/*" }],
        }),
      },
      "allows s3:GetObject on arn:aws:s3:::disgrafs-x/*: name a prefix of one bucket, such as arn:aws:s3:::bucket/volume/*",
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
      "allows s3:ListBucket on *: name one bucket, such as arn:aws:s3:::bucket",
    ],
    [
      "everything except what is named",
      {
        policy: JSON.stringify({
          Statement: [{ Effect: "Allow", NotAction: "iam:*", Resource: "*" }],
        }),
      },
      "allows everything except what it names: use Action and Resource, not NotAction or NotResource",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(oneBucketPrefix, type, { ...passing, ...change })).toEqual([message]);
  });

  it("accepts Session Manager's policy, and no other managed AWS policy", async () => {
    const attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
    const arn = (name: string) => ({ policyArn: `arn:aws:iam::aws:policy/${name}` });
    expect(await violations(oneBucketPrefix, attachment, arn("AmazonSSMManagedInstanceCore"))).toEqual([]);
    expect(await violations(oneBucketPrefix, attachment, arn("AdministratorAccess"))).toEqual([
      "grants the role all of arn:aws:iam::aws:policy/AdministratorAccess: write the needed permissions into a RolePolicy",
    ]);
  });

  const allowed = (statement: object): Promise<string[]> =>
    violations(oneBucketPrefix, type, {
      policy: JSON.stringify({ Statement: { Effect: "Allow", ...statement } }),
    });

  it("allows the schedule that ends a lab to start one state machine, and to terminate machines of one run", async () => {
    const start = (Resource: string) => allowed({ Action: "states:StartExecution", Resource });
    for (const partition of ["aws", "aws-us-gov"])
      expect(await start(`arn:${partition}:states:eu-central-1:1:stateMachine:x`)).toEqual([]);
    for (const resource of [
      "*",
      "arn:aws:states:*",
      "arn:aws:s3:::x",
      "x arn:aws:states:x",
      "arn:aws:states:",
    ])
      expect(await start(resource)).toEqual([
        expect.stringContaining(`allows states:StartExecution on ${resource}`),
      ]);
    const end = (Condition?: object) =>
      allowed({ Action: "ec2:TerminateInstances", Resource: "*", Condition });
    expect(await end({ StringEquals: { "aws:ResourceTag/disgrafs:run": "r" } })).toEqual([]);
    for (const condition of [undefined, { StringEquals: { "aws:ResourceTag/Name": "x" } }])
      expect(await end(condition)).toEqual([expect.stringContaining("on any machine: add the condition")]);
    expect(await allowed({ Action: "ec2:DescribeInstances", Resource: "*" })).toEqual([]);
  });

  it("refuses a resource that only begins or ends like a prefix or a bucket", async () => {
    const get = (Resource: string) => allowed({ Action: "s3:GetObject", Resource });
    for (const resource of [
      "x arn:aws:s3:::b/volume/*",
      "arn:aws:s3:::b/volume/*/x",
      "arn:aws:s3:::b/volume/",
    ])
      expect(await get(resource)).toHaveLength(1);
    const bucketList = (bucket: string, prefix: string) =>
      allowed({
        Action: "s3:ListBucket",
        Resource: bucket,
        Condition: { StringLike: { "s3:prefix": prefix } },
      });
    expect(await bucketList("arn:aws:s3:::b", "v/*")).toEqual([]);
    for (const [bucket, prefix] of [
      ["x arn:aws:s3:::b", "v/*"],
      ["arn:aws:s3:::b/", "v/*"],
      ["arn:aws:s3:::b", "?v/*"],
      ["arn:aws:s3:::b", "v/*x"],
    ] as const)
      expect(await bucketList(bucket, prefix)).toHaveLength(1);
  });

  it("accepts statements that deny, and unknown policies, and reports a policy that is not JSON", async () => {
    expect(await allowed({ Effect: "Deny", Action: "iam:*", Resource: "*" })).toEqual([]);
    for (const policy of [undefined, null])
      expect(await violations(oneBucketPrefix, type, { policy })).toEqual([]);
    expect(await violations(oneBucketPrefix, type, { policy: "{" })).toEqual([
      expect.stringContaining("JSON"),
    ]);
    const object = { policy: { Statement: [{ Effect: "Allow", Action: "iam:*", Resource: "*" }] } };
    expect(await violations(oneBucketPrefix, type, object)).toHaveLength(1);
    expect(await allowed({ Action: "s3:GetObject" })).toEqual([
      expect.stringContaining("Action and Resource"),
    ]);
    expect(await allowed({ Resource: "*" })).toEqual([expect.stringContaining("Action and Resource")]);
  });

  it("looks at no other type", async () => {
    expect(await violations(oneBucketPrefix, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
