/** The metadata service answers only who asks with a token (IMDSv2), and nobody a hop away, as in a container. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { at, forType } from "../rule.ts";

export const metadataV2: ResourceValidationPolicy = {
  name: "metadata-v2",
  description: "IMDSv2 is required, with a hop limit of 1.",
  enforcementLevel: "mandatory",
  validateResource: forType("aws:ec2/instance:Instance", (inputs) => [
    ...(at(inputs, "metadataOptions", "httpTokens") === "required"
      ? []
      : ["gives out credentials without a token: set metadataOptions.httpTokens to required"]),
    ...(at(inputs, "metadataOptions", "httpPutResponseHopLimit") === 1
      ? []
      : ["answers for metadata beyond the machine itself: set metadataOptions.httpPutResponseHopLimit to 1"]),
  ]),
};
