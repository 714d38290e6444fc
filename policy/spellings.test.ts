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
  it.each([template, request])("%s without a word is refused as an instance is", async (type) => {
    expect(await violations(metadataV2, type, {})).toHaveLength(2);
    expect(await violations(rootEncrypted, type, {})).toHaveLength(2);
    expect(await violations(diesWhenShutDown, type, {})).toHaveLength(1);
  });
  it("as they should be pass", async () => {
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
  it("that go on for ever or keep a secret are refused", async () => {
    expect(await violations(spotOneTime, request, {})).toEqual([
      "is a spot request that goes on for ever: set spotType to one-time",
    ]);
    const options = { instanceMarketOptions: { marketType: "spot", spotOptions: {} } };
    expect(await violations(spotOneTime, template, options)).toHaveLength(2);
    const secret = { userData: base64("#!/bin/sh\nREDIS_PASSWORD=hunter22\n") };
    expect(await violations(noSecretInUserData, template, secret)).toHaveLength(1);
  });
});

describe("a way in for everybody", () => {
  it.each<[string, object]>([
    [legacyRule, { type: "ingress", cidrBlocks: ["0.0.0.0/0"] }],
    [legacyRule, { type: "ingress", cidrBlocks: [], ipv6CidrBlocks: ["::/0"] }],
    [defaultGroup, { ingress: [{ protocol: "-1", cidrBlocks: ["0.0.0.0/0"] }] }],
    ["aws:ec2/securityGroup:SecurityGroup", { ingress: [{ protocol: "tcp", ipv6CidrBlocks: ["::/1"] }] }],
  ])("is refused in a %s", async (type, inputs) => {
    expect(await violations(noWideIngress, type, inputs)).toEqual([
      expect.stringMatching(/^lets in \S+: name the address that you come from$/),
    ]);
    expect((await violations(standaloneRules, type, inputs)).length).toBe(1);
  });
  it("is no matter of rules that go out", async () => {
    expect(
      await violations(noWideIngress, legacyRule, { type: "egress", cidrBlocks: ["0.0.0.0/0"] }),
    ).toEqual([]);
  });
});

describe("all rights", () => {
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
  ])("by a policy of AWS's own are refused in a %s", async (type, inputs) => {
    expect(await violations(oneBucketPrefix, type, inputs)).toEqual([
      expect.stringMatching(/^gives the role all of .*AdministratorAccess/),
    ]);
  });
  it("to end machines are those of one run", async () => {
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

describe("a bucket of the older name", () => {
  const bucket = { type: "aws:s3/bucketV2:BucketV2", name: "data", props: { bucket: "b" } };
  const encryption = {
    type: "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
    name: "e",
    props: { bucket: "b", rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "rot13" } }] },
  };
  it("needs what every bucket needs, in the new or the older name", async () => {
    expect(await stackViolations(bucketPrivate, [bucket])).toHaveLength(1);
    expect(await stackViolations(bucketEncrypted, [bucket])).toHaveLength(1);
    expect(await stackViolations(bucketEncrypted, [bucket, encryption])).toEqual([]);
    expect(await violations(bucketEncrypted, encryption.type, encryption.props)).toHaveLength(1);
  });
});

describe("known-types", () => {
  const refused = async (type: string, rule: ResourceValidationPolicy = knownTypes) =>
    (await violations(rule, type, {})).length > 0;
  it("refuses what no rule looks at, by name", async () => {
    expect(await violations(knownTypes, "aws:lambda/function:Function", {})).toEqual([
      "is of a type that no rule looks at (aws:lambda/function:Function): write a rule for it in policy/rules, or do without it",
    ]);
    expect(await refused("aws:autoscaling/group:Group")).toBe(true);
    expect(await refused("aws:iam/user:User")).toBe(true);
    expect(await refused("aws-native:ec2:Instance")).toBe(true);
  });
  it("lets pass what is not AWS's, and what the rules know", async () => {
    for (const type of ["command:local:Command", "pulumi:index:Stash", template, request, legacyRule])
      expect([type, await refused(type)]).toEqual([type, false]);
  });
});
