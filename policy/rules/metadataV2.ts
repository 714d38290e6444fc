/** The metadata service answers only requests with a token (IMDSv2), and none from a container, which is one hop away. */
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { forMachines } from "../machines.ts";
import { at } from "../rule.ts";

export const metadataV2: ResourceValidationPolicy = {
  name: "metadata-v2",
  description: "IMDSv2 is required, with a hop limit of 1.",
  enforcementLevel: "mandatory",
  validateResource: forMachines(({ inputs }) => [
    ...(at(inputs, "metadataOptions", "httpTokens") === "required"
      ? []
      : ["serves credentials to requests without a token: set metadataOptions.httpTokens to required"]),
    ...(at(inputs, "metadataOptions", "httpPutResponseHopLimit") === 1
      ? []
      : ["serves metadata beyond the machine itself: set metadataOptions.httpPutResponseHopLimit to 1"]),
  ]),
};
