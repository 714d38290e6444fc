/**
 * The policy pack: `pulumi up --policy-pack policy` rejects resources that a lab on AWS must not have. A rule is a file in rules/
 * with a test, and a line here. This file is JavaScript because Pulumi would pass a TypeScript file to its own compiler, which
 * does not know this repository's settings; Node loads the rules directly.
 */
import { PolicyPack } from "@pulumi/policy";
import { bucketEncrypted } from "./rules/bucketEncrypted.ts";
import { bucketForgetsUploads } from "./rules/bucketForgetsUploads.ts";
import { bucketPrivate } from "./rules/bucketPrivate.ts";
import { diesWhenShutDown } from "./rules/diesWhenShutDown.ts";
import { knownTypes } from "./rules/knownTypes.ts";
import { metadataV2 } from "./rules/metadataV2.ts";
import { noSecretInUserData } from "./rules/noSecretInUserData.ts";
import { noWideIngress } from "./rules/noWideIngress.ts";
import { oneBucketPrefix } from "./rules/oneBucketPrefix.ts";
import { rootEncrypted } from "./rules/rootEncrypted.ts";
import { spotOneTime } from "./rules/spotOneTime.ts";
import { standaloneRules } from "./rules/standaloneRules.ts";
import { tagged } from "./rules/tagged.ts";

new PolicyPack("disgrafs-aws", {
  enforcementLevel: "mandatory",
  policies: [
    knownTypes,
    noWideIngress,
    standaloneRules,
    metadataV2,
    rootEncrypted,
    diesWhenShutDown,
    spotOneTime,
    noSecretInUserData,
    oneBucketPrefix,
    bucketPrivate,
    bucketEncrypted,
    bucketForgetsUploads,
    tagged,
  ],
});
