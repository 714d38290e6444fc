import { violations } from "../testing.ts";
import { metadataV2 } from "./metadataV2.ts";

const type = "aws:ec2/instance:Instance";
const passing = { metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 } };

describe("metadata-v2", () => {
  it("accepts a correct one", async () => {
    expect(await violations(metadataV2, type, passing)).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "version 1",
      { metadataOptions: { httpTokens: "optional", httpPutResponseHopLimit: 1 } },
      "serves credentials to requests without a token: set metadataOptions.httpTokens to required",
    ],
    [
      "a larger hop limit",
      { metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 2 } },
      "serves metadata beyond the machine itself: set metadataOptions.httpPutResponseHopLimit to 1",
    ],
    [
      "no hop limit",
      { metadataOptions: { httpTokens: "required" } },
      "serves metadata beyond the machine itself: set metadataOptions.httpPutResponseHopLimit to 1",
    ],
  ])("refuses %s", async (_, change, message) => {
    expect(await violations(metadataV2, type, { ...passing, ...change })).toEqual([message]);
  });

  it("looks at no other type", async () => {
    expect(await violations(metadataV2, "aws:sqs/queue:Queue", {})).toEqual([]);
  });
});
