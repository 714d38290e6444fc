/** The S3 and IAM types. */
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import type { Properties } from "../../../plugins/command/wire.ts";
import { emptyBucket } from "../../../stacks/aws/cleanup/emptyBucket.ts";
import { tagList, unique, unlessMissing, type ResourceType } from "./resourceType.ts";

const buckets = new s3.S3Client({ forcePathStyle: true });
const identities = new iam.IAMClient({});
const s = (value: unknown): string => value as string;

/** A setting of a bucket, which is removed with the bucket. */
function bucketSetting(
  put: (inputs: Properties) => Promise<unknown>,
  remove: (bucket: string) => Promise<unknown>,
): ResourceType {
  return {
    updatable: ["rules", "blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"],
    async create(inputs) {
      await put(inputs);
      return { id: s(inputs.bucket), outputs: {} };
    },
    read: () => Promise.resolve({}),
    async update(_, inputs) {
      await put(inputs);
    },
    async delete(id) {
      await unlessMissing(remove(id));
    },
  };
}

export const storageTypes: Readonly<Record<string, ResourceType>> = {
  "aws:s3/bucket:Bucket": {
    updatable: ["tags", "tagsAll", "forceDestroy"],
    async create(inputs) {
      const name = `${s(inputs.bucketPrefix)}${Date.now()}${unique()}`;
      const region = process.env.AWS_REGION;
      await buckets.send(
        new s3.CreateBucketCommand({
          Bucket: name,
          ...(region !== "us-east-1" && {
            CreateBucketConfiguration: { LocationConstraint: region as s3.BucketLocationConstraint },
          }),
        }),
      );
      await buckets.send(
        new s3.PutBucketTaggingCommand({ Bucket: name, Tagging: { TagSet: tagList(inputs.tags) } }),
      );
      return { id: name, outputs: { bucket: name, arn: `arn:aws:s3:::${name}` } };
    },
    async read(id) {
      return (await unlessMissing(buckets.send(new s3.HeadBucketCommand({ Bucket: id })))) ? {} : undefined;
    },
    async update(id, inputs) {
      await buckets.send(
        new s3.PutBucketTaggingCommand({ Bucket: id, Tagging: { TagSet: tagList(inputs.tags) } }),
      );
    },
    async delete(id, state) {
      if (state.forceDestroy === true) await emptyBucket(buckets, id);
      await unlessMissing(buckets.send(new s3.DeleteBucketCommand({ Bucket: id })));
    },
  },
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": bucketSetting(
    (inputs) =>
      buckets.send(
        new s3.PutPublicAccessBlockCommand({
          Bucket: s(inputs.bucket),
          PublicAccessBlockConfiguration: {
            BlockPublicAcls: inputs.blockPublicAcls as boolean,
            BlockPublicPolicy: inputs.blockPublicPolicy as boolean,
            IgnorePublicAcls: inputs.ignorePublicAcls as boolean,
            RestrictPublicBuckets: inputs.restrictPublicBuckets as boolean,
          },
        }),
      ),
    (Bucket) => buckets.send(new s3.DeletePublicAccessBlockCommand({ Bucket })),
  ),
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": bucketSetting(
    (inputs) =>
      buckets.send(
        new s3.PutBucketEncryptionCommand({
          Bucket: s(inputs.bucket),
          ServerSideEncryptionConfiguration: {
            Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
          },
        }),
      ),
    (Bucket) => buckets.send(new s3.DeleteBucketEncryptionCommand({ Bucket })),
  ),
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": bucketSetting(
    (inputs) => {
      const [rule] = inputs.rules as Properties[];
      const abort = rule?.abortIncompleteMultipartUpload as Properties;
      return buckets.send(
        new s3.PutBucketLifecycleConfigurationCommand({
          Bucket: s(inputs.bucket),
          LifecycleConfiguration: {
            Rules: [
              {
                ID: s(rule?.id),
                Status: "Enabled",
                Filter: { Prefix: "" },
                AbortIncompleteMultipartUpload: { DaysAfterInitiation: abort.daysAfterInitiation as number },
              },
            ],
          },
        }),
      );
    },
    (Bucket) => buckets.send(new s3.DeleteBucketLifecycleCommand({ Bucket })),
  ),
  "aws:iam/role:Role": {
    updatable: ["tags", "tagsAll"],
    async create(inputs, name) {
      const role = `${name}-${unique()}`;
      const { Role } = await identities.send(
        new iam.CreateRoleCommand({
          RoleName: role,
          Path: s(inputs.path),
          AssumeRolePolicyDocument: s(inputs.assumeRolePolicy),
          Description: s(inputs.description),
          Tags: tagList(inputs.tags),
        }),
      );
      return { id: role, outputs: { name: role, arn: Role?.Arn ?? "" } };
    },
    async read(id) {
      return (await unlessMissing(identities.send(new iam.GetRoleCommand({ RoleName: id }))))
        ? {}
        : undefined;
    },
    async update(id, inputs) {
      await identities.send(new iam.TagRoleCommand({ RoleName: id, Tags: tagList(inputs.tags) }));
    },
    async delete(id) {
      await unlessMissing(identities.send(new iam.DeleteRoleCommand({ RoleName: id })));
    },
  },
  "aws:iam/rolePolicy:RolePolicy": {
    updatable: ["policy"],
    async create(inputs, name) {
      await putPolicy(name, inputs);
      return { id: name, outputs: {} };
    },
    read: () => Promise.resolve({}),
    update: async (id, inputs) => {
      await putPolicy(id, inputs);
    },
    async delete(id, state) {
      await unlessMissing(
        identities.send(new iam.DeleteRolePolicyCommand({ RoleName: s(state.role), PolicyName: id })),
      );
    },
  },
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
    updatable: [],
    async create(inputs, name) {
      await identities.send(
        new iam.AttachRolePolicyCommand({ RoleName: s(inputs.role), PolicyArn: s(inputs.policyArn) }),
      );
      return { id: name, outputs: {} };
    },
    read: () => Promise.resolve({}),
    async delete(_, state) {
      await unlessMissing(
        identities.send(
          new iam.DetachRolePolicyCommand({ RoleName: s(state.role), PolicyArn: s(state.policyArn) }),
        ),
      );
    },
  },
  "aws:iam/instanceProfile:InstanceProfile": {
    updatable: ["tags", "tagsAll"],
    async create(inputs, name) {
      const profile = `${name}-${unique()}`;
      await identities.send(
        new iam.CreateInstanceProfileCommand({
          InstanceProfileName: profile,
          Path: s(inputs.path),
          Tags: tagList(inputs.tags),
        }),
      );
      await identities.send(
        new iam.AddRoleToInstanceProfileCommand({ InstanceProfileName: profile, RoleName: s(inputs.role) }),
      );
      return { id: profile, outputs: { name: profile } };
    },
    async read(id) {
      const call = identities.send(new iam.GetInstanceProfileCommand({ InstanceProfileName: id }));
      return (await unlessMissing(call)) ? {} : undefined;
    },
    async update(id, inputs) {
      await identities.send(
        new iam.TagInstanceProfileCommand({ InstanceProfileName: id, Tags: tagList(inputs.tags) }),
      );
    },
    async delete(id, state) {
      await unlessMissing(
        identities.send(
          new iam.RemoveRoleFromInstanceProfileCommand({ InstanceProfileName: id, RoleName: s(state.role) }),
        ),
      );
      await unlessMissing(identities.send(new iam.DeleteInstanceProfileCommand({ InstanceProfileName: id })));
    },
  },
};

async function putPolicy(name: string, inputs: Properties): Promise<void> {
  await identities.send(
    new iam.PutRolePolicyCommand({
      RoleName: s(inputs.role),
      PolicyName: name,
      PolicyDocument: s(inputs.policy),
    }),
  );
}
