/** Each property that a rule checks can be written in several ways; the pack recognises all of them. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { knownTypes } from "./rules/knownTypes.ts";
import { bucketEncrypted } from "./rules/bucketEncrypted.ts";
import { bucketPrivate } from "./rules/bucketPrivate.ts";
import { diesWhenShutDown } from "./rules/diesWhenShutDown.ts";
import { metadataV2 } from "./rules/metadataV2.ts";
import { noSecretInUserData } from "./rules/noSecretInUserData.ts";
import { noWideIngress } from "./rules/noWideIngress.ts";
import { oneBucketPrefix } from "./rules/oneBucketPrefix.ts";
import { rootEncrypted } from "./rules/rootEncrypted.ts";
import { spotOneTime } from "./rules/spotOneTime.ts";
import { standaloneRules } from "./rules/standaloneRules.ts";
import { stackViolations, violations } from "./testing.ts";

const template = "aws:ec2/launchTemplate:LaunchTemplate";
const request = "aws:ec2/spotInstanceRequest:SpotInstanceRequest";
const legacyRule = "aws:ec2/securityGroupRule:SecurityGroupRule";
const defaultGroup = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup";
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const everything = { Effect: "Allow", Action: "*", Resource: "*" };

describe("a launch template and a spot request", () => {
  it.each([template, request])("%s without settings is refused as an instance is", async (type) => {
    expect(await violations(metadataV2, type, {})).toHaveLength(2);
    expect(await violations(rootEncrypted, type, {})).toHaveLength(2);
    expect(await violations(diesWhenShutDown, type, {})).toHaveLength(1);
  });
  it("pass with the required settings", async () => {
    const common = {
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
      instanceInitiatedShutdownBehavior: "terminate",
    };
    const ebs = { encrypted: "true", volumeType: "gp3", deleteOnTermination: "true" };
    const good: [string, object][] = [
      [template, { ...common, blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs }] }],
      [request, { ...common, spotType: "one-time", rootBlockDevice: { encrypted: true, volumeType: "gp3" } }],
    ];
    for (const [type, inputs] of good)
      for (const rule of [metadataV2, rootEncrypted, diesWhenShutDown, spotOneTime, noSecretInUserData])
        expect([rule.name, await violations(rule, type, inputs)]).toEqual([rule.name, []]);
  });
  it("are refused if they are persistent or contain a secret", async () => {
    expect(await violations(spotOneTime, request, {})).toEqual([
      "is a persistent spot request: set spotType to one-time",
    ]);
    const options = { instanceMarketOptions: { marketType: "spot", spotOptions: {} } };
    expect(await violations(spotOneTime, template, options)).toHaveLength(2);
    const secret = { userData: base64("#!/bin/sh\nREDIS_PASSWORD=hunter22\n") };
    expect(await violations(noSecretInUserData, template, secret)).toHaveLength(1);
  });
});

describe("ingress for everybody", () => {
  it.each<[string, object]>([
    [legacyRule, { type: "ingress", cidrBlocks: ["0.0.0.0/0"] }],
    [legacyRule, { type: "ingress", cidrBlocks: [], ipv6CidrBlocks: ["::/0"] }],
    [defaultGroup, { ingress: [{ protocol: "-1", cidrBlocks: ["0.0.0.0/0"] }] }],
    ["aws:ec2/securityGroup:SecurityGroup", { ingress: [{ protocol: "tcp", ipv6CidrBlocks: ["::/1"] }] }],
  ])("is refused in a %s", async (type, inputs) => {
    expect(await violations(noWideIngress, type, inputs)).toEqual([
      expect.stringMatching(/^allows ingress from \S+: name the address that you connect from$/),
    ]);
    expect((await violations(standaloneRules, type, inputs)).length).toBe(1);
  });
  it("is not a matter of egress rules", async () => {
    expect(
      await violations(noWideIngress, legacyRule, { type: "egress", cidrBlocks: ["0.0.0.0/0"] }),
    ).toEqual([]);
  });
});

describe("all permissions", () => {
  const alone = JSON.stringify({ Statement: everything });
  it.each<[string, object]>([
    ["aws:iam/rolePolicy:RolePolicy", { policy: alone }],
    ["aws:iam/rolePolicy:RolePolicy", { policy: { Statement: everything } }],
    ["aws:iam/policy:Policy", { policy: JSON.stringify({ Statement: [everything] }) }],
    ["aws:iam/userPolicy:UserPolicy", { policy: alone }],
    ["aws:iam/groupPolicy:GroupPolicy", { policy: alone }],
    ["aws:iam/role:Role", { inlinePolicies: [{ name: "x", policy: alone }] }],
  ])("are refused in a %s", async (type, inputs) => {
    expect(await violations(oneBucketPrefix, type, inputs)).toEqual(["allows *: machines use S3 only"]);
  });
  it.each<[string, object]>([
    ["aws:iam/role:Role", { managedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] }],
    [
      "aws:iam/policyAttachment:PolicyAttachment",
      { policyArn: "arn:aws:iam::aws:policy/AdministratorAccess" },
    ],
  ])("through a managed AWS policy are refused in a %s", async (type, inputs) => {
    expect(await violations(oneBucketPrefix, type, inputs)).toEqual([
      expect.stringMatching(/^grants the role all of .*AdministratorAccess/),
    ]);
  });
  it("to terminate machines are limited to one run", async () => {
    const end = (more: object) => ({
      policy: { Statement: { ...everything, Action: "ec2:TerminateInstances", ...more } },
    });
    const type = "aws:iam/rolePolicy:RolePolicy";
    expect(await violations(oneBucketPrefix, type, end({}))).toEqual([
      "allows ec2:TerminateInstances on any machine: add the condition aws:ResourceTag/disgrafs:run",
    ]);
    const Condition = { StringEquals: { "aws:ResourceTag/disgrafs:run": "r" } };
    expect(await violations(oneBucketPrefix, type, end({ Condition }))).toEqual([]);
  });
});

describe("a bucket of the older type", () => {
  const bucket = { type: "aws:s3/bucketV2:BucketV2", name: "data", props: { bucket: "b" } };
  const encryption = {
    type: "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
    name: "e",
    props: { bucket: "b", rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "rot13" } }] },
  };
  it("needs the settings that every bucket needs, by the new or the older type", async () => {
    expect(await stackViolations(bucketPrivate, [bucket])).toHaveLength(1);
    expect(await stackViolations(bucketEncrypted, [bucket])).toHaveLength(1);
    expect(await stackViolations(bucketEncrypted, [bucket, encryption])).toEqual([]);
    expect(await violations(bucketEncrypted, encryption.type, encryption.props)).toHaveLength(1);
  });
});

describe("known-types", () => {
  const refused = async (type: string, rule: ResourceValidationPolicy = knownTypes) =>
    (await violations(rule, type, {})).length > 0;
  it("refuses a type that no rule checks, and names it", async () => {
    expect(await violations(knownTypes, "aws:lambda/function:Function", {})).toEqual([
      "has a type that no rule checks (aws:lambda/function:Function): write a rule for it in policy/rules, or remove the resource",
    ]);
    expect(await refused("aws:autoscaling/group:Group")).toBe(true);
    expect(await refused("aws:iam/user:User")).toBe(true);
    expect(await refused("aws-native:ec2:Instance")).toBe(true);
  });
  it("accepts types outside AWS, and those that the rules know", async () => {
    for (const type of ["command:local:Command", "pulumi:index:Stash", template, request, legacyRule])
      expect([type, await refused(type)]).toEqual([type, false]);
  });
});
