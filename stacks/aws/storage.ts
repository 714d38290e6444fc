/** The lab's bucket, and the identity of its machines, which may use only one prefix of that bucket. */
import * as aws from "./resources.ts";
import * as pulumi from "@pulumi/pulumi";
import { identityPath, tagKeys, type Tagger } from "./tags.ts";

export interface StorageArgs {
  /** Start of the bucket's name; AWS adds digits that make it unique. */
  readonly bucketPrefix: string;
  /** The machines may use keys below `${objectPrefix}/`. JuiceFS keeps a volume below its name. */
  readonly objectPrefix: string;
  /** Whether to keep the bucket and its contents when the stack is removed. */
  readonly keepData: boolean;
  /** Machines are reached through Session Manager, whose agent needs permissions of its own. */
  readonly sessionManager: boolean;
  readonly tags: Tagger;
}

export class Storage extends pulumi.ComponentResource {
  readonly bucket: pulumi.Output<string>;
  /** Name of the instance profile for the machines. */
  readonly instanceProfile: pulumi.Output<string>;
  /** Resources that must exist before a machine can use the bucket. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:aws:Storage", name, {}, opts);
    const parent = { parent: this };
    // A bucket that is kept keeps its protection too.
    const kept = { parent: this, retainOnDelete: args.keepData };
    const bucket = new aws.Bucket(
      `${name}-bucket`,
      {
        bucketPrefix: args.bucketPrefix,
        forceDestroy: !args.keepData,
        tags: { ...args.tags("bucket"), ...(args.keepData && { [tagKeys.keep]: "true" }) },
      },
      kept,
    );
    this.bucket = bucket.bucket;
    const block = new aws.BucketPublicAccessBlock(
      `${name}-private`,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      kept,
    );
    const encryption = new aws.BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      { bucket: bucket.bucket, rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] },
      kept,
    );
    new aws.BucketLifecycleConfiguration(
      `${name}-leftovers`,
      {
        bucket: bucket.bucket,
        rules: [
          {
            id: "unfinished-uploads",
            status: "Enabled",
            filter: { prefix: "" },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
          },
        ],
      },
      kept,
    );

    const role = new aws.Role(
      `${name}-role`,
      {
        path: identityPath,
        description: "Machines of a disgrafs lab",
        assumeRolePolicy: JSON.stringify({
          Version: "2012-10-17",
          Statement: [
            { Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" },
          ],
        }),
        tags: args.tags("role"),
      },
      parent,
    );
    const policy = new aws.RolePolicy(
      `${name}-policy`,
      {
        role: role.name,
        policy: bucket.arn.apply((arn) => JSON.stringify(bucketPolicy(arn, args.objectPrefix))),
      },
      parent,
    );
    const profile = new aws.InstanceProfile(
      `${name}-profile`,
      { role: role.name, path: identityPath, tags: args.tags("profile") },
      parent,
    );
    this.instanceProfile = profile.name;
    this.ready = [block, encryption, policy];
    if (args.sessionManager)
      this.ready.push(
        new aws.RolePolicyAttachment(
          `${name}-session-manager`,
          { role: role.name, policyArn: "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" },
          parent,
        ),
      );
    this.registerOutputs({ bucket: this.bucket, instanceProfile: this.instanceProfile });
  }
}

/** Objects below one prefix of one bucket, and the list of just those. */
export function bucketPolicy(bucketArn: string, prefix: string) {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Objects",
        Effect: "Allow",
        Action: [
          "s3:GetObject",
          "s3:PutObject",
          "s3:DeleteObject",
          "s3:AbortMultipartUpload",
          "s3:ListMultipartUploadParts",
        ],
        Resource: `${bucketArn}/${prefix}/*`,
      },
      {
        Sid: "List",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: bucketArn,
        Condition: { StringLike: { "s3:prefix": `${prefix}/*` } },
      },
    ],
  };
}
