/** Every resource has tags for owner, start and expiry, for people and for `./lab sweep`. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { tagKeys } from "../../stacks/aws/tags.ts";

/** The types that the pack knows and that can have tags. */
export const taggable: readonly string[] = [
  "aws:ec2/instance:Instance",
  "aws:ec2/launchTemplate:LaunchTemplate",
  "aws:ec2/spotInstanceRequest:SpotInstanceRequest",
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/keyPair:KeyPair",
  "aws:ec2/placementGroup:PlacementGroup",
  "aws:ec2/routeTable:RouteTable",
  "aws:ec2/securityGroup:SecurityGroup",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
  "aws:ec2/subnet:Subnet",
  "aws:ec2/vpc:Vpc",
  "aws:ec2/vpcEndpoint:VpcEndpoint",
  "aws:iam/instanceProfile:InstanceProfile",
  "aws:iam/policy:Policy",
  "aws:iam/role:Role",
  "aws:s3/bucket:Bucket",
  "aws:s3/bucketV2:BucketV2",
  "aws:scheduler/scheduleGroup:ScheduleGroup",
  "aws:sfn/stateMachine:StateMachine",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
];

const wanted = [tagKeys.project, tagKeys.stack, tagKeys.owner, tagKeys.run, tagKeys.created, tagKeys.expires];

export const tagged: ResourceValidationPolicy = {
  name: "tagged",
  description: "Every resource has tags for project, stack, owner, run, creation and expiry.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, props }, report) => {
    if (!taggable.includes(type)) return;
    const tags = (props.tags ?? {}) as Readonly<Record<string, unknown>>;
    const missing = wanted.filter((key) => !(key in tags));
    if (missing.length > 0) report(`lacks the tags ${missing.join(", ")}`);
  },
};
