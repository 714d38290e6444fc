import { awsFailure, failures } from "./advice.ts";
import { awsSettings } from "./settings.ts";

// The shape of terraform-provider-aws's messages: operation, status, request id, then AWS's code and prose.
const message = (code: string) =>
  `creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 400, RequestID: 5a3c, api error ${code}: We are sorry.`;

describe("awsFailure", () => {
  it.each([
    ["InsufficientInstanceCapacity", "capacity", /another aws\.availabilityZone|aws\.placementGroup: false/],
    ["VcpuLimitExceeded", "quota", /smaller types in aws\.instanceTypes/],
    ["VpcLimitExceeded", "quota", /lab sweep --aws/],
    ["MaxSpotInstanceCountExceeded", "spot", /aws\.spot: false/],
    ["InvalidAMIID.NotFound", "image", /aws\.image/],
    ["Unsupported", "unsupported", /not offered in this zone/],
    ["UnauthorizedOperation", "permission", /docs\/aws\.md/],
    ["ExpiredToken", "credentials", /log in again/],
    ["DependencyViolation", "in-use", /shows what is left of the stack/],
  ])("knows %s", (code, kind, advice) => {
    const failure = awsFailure(message(code));
    expect(failure).toMatchObject({ code, kind });
    expect(failure?.advice).toMatch(advice);
  });

  it.each([
    ["ExpiredTokenException", /log in again/],
    ["RequestExpired", /clock is wrong/],
    ["InvalidClientTokenId", /get-caller-identity/],
    ["AccessDeniedException", /docs\/aws\.md/],
    ["RequestLimitExceeded", /lower --parallel/],
    ["PendingVerification", /still verifying/],
    ["OptInRequired", /enable it/],
    ["InsufficientFreeAddressesInSubnet", /another subnetId/],
  ])("knows %s", (code, advice) => {
    expect(awsFailure(message(code))).toMatchObject({
      code,
      advice: expect.stringMatching(advice) as string,
    });
  });

  it.each([
    [
      "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found",
      /aws sso login/,
    ],
    ["The SSO session has expired or is otherwise invalid. To refresh", /aws sso login/],
    ["AWS account ID not allowed: 123456789012", /another account than aws\.accountId/],
  ])("recognises an error without a code: %s", (text, advice) => {
    expect(awsFailure(text)?.advice).toMatch(advice);
  });

  it("does not mistake a longer code or prose for a code that it knows", () => {
    expect(awsFailure(message("UnsupportedOperation"))).toBeUndefined();
    expect(awsFailure(message("InvalidAMIID.NotFoundAtAll"))).toBeUndefined();
    expect(awsFailure("the disk is full")).toBeUndefined();
  });

  it.each(failures)(
    "gives advice for $code in whole sentences that name only existing settings",
    (failure) => {
      expect(awsFailure(message(failure.code))).toBe(failure);
      expect(failure.advice).toMatch(/^[A-Z].*\.$/);
      for (const [, setting = ""] of failure.advice.matchAll(/(?<!docs\/)\baws\.(\w+)/g))
        expect(Object.keys(awsSettings.shape)).toContain(setting);
    },
  );
});
