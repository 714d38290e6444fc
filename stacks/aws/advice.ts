/**
 * AWS errors that a user can resolve, each with advice. They are recognised by AWS's error code, which the provider includes in
 * its message, and not by the text around it.
 */
export type FailureKind =
  "capacity" | "quota" | "image" | "permission" | "credentials" | "spot" | "unsupported" | "in-use";

export interface Failure {
  readonly kind: FailureKind;
  /** AWS's error code; for errors without one, a phrase from its SDK or provider. */
  readonly code: string;
  readonly advice: string;
}

export const failures: readonly Failure[] = [
  {
    kind: "capacity",
    code: "InsufficientInstanceCapacity",
    advice:
      "AWS has no machine of this type available in this zone. Try again in some minutes, or set aws.placementGroup: false, " +
      "another aws.availabilityZone, or another type in aws.instanceTypes.",
  },
  {
    kind: "capacity",
    code: "InsufficientReservedInstanceCapacity",
    advice:
      "AWS has no machine of this type available. Try again, or choose another type in aws.instanceTypes.",
  },
  {
    kind: "quota",
    code: "VcpuLimitExceeded",
    advice:
      "The account may not run that many vCPUs. Choose smaller types in aws.instanceTypes or fewer nodes, or request a higher " +
      'quota: Service Quotas, "Running On-Demand Standard instances".',
  },
  {
    kind: "quota",
    code: "InstanceLimitExceeded",
    advice:
      "The account may not run that many machines of this type. Use fewer nodes, or request a higher quota in Service Quotas.",
  },
  {
    kind: "quota",
    code: "VpcLimitExceeded",
    advice:
      "The account has reached its limit of VPCs in the region (5 by default). Remove one (`./lab sweep --aws` finds forgotten " +
      "labs), use an existing one with aws.network, or request a higher quota in Service Quotas.",
  },
  {
    kind: "quota",
    code: "TooManyBuckets",
    advice:
      "The account has reached its limit of S3 buckets. Remove some, or request a higher quota in Service Quotas.",
  },
  {
    kind: "spot",
    code: "MaxSpotInstanceCountExceeded",
    advice:
      "The account may not run that many spot machines. Set aws.spot: false, or request a higher quota in Service Quotas.",
  },
  {
    kind: "spot",
    code: "SpotMaxPriceTooLow",
    advice:
      "Spot machines of this type now cost more than on-demand ones. Set aws.spot: false, or choose another type.",
  },
  {
    kind: "image",
    code: "InvalidAMIID.NotFound",
    advice:
      "The image that this stack is pinned to no longer exists. Running machines are not affected. To use a new image, which " +
      "replaces the machines: pulumi up --replace on the Stash named in the message `pinned image`, or set aws.image.",
  },
  {
    kind: "image",
    code: "InvalidAMIID.Unavailable",
    advice:
      "The image that this stack is pinned to is disabled. Set aws.image to another one of the same kernel.",
  },
  {
    kind: "unsupported",
    code: "Unsupported",
    advice:
      "This type is not offered in this zone, or not in a cluster placement group. Remove aws.availabilityZone, set " +
      "aws.placementGroup: false, or choose another type in aws.instanceTypes.",
  },
  {
    kind: "permission",
    code: "UnauthorizedOperation",
    advice: "Your AWS identity may not do this. docs/aws.md lists the permissions that a lab needs.",
  },
  {
    kind: "permission",
    code: "AccessDenied",
    advice: "Your AWS identity may not do this. docs/aws.md lists the permissions that a lab needs.",
  },
  {
    kind: "credentials",
    code: "ExpiredToken",
    advice:
      "Your AWS login has expired: log in again (for example `aws sso login`), then run the same command.",
  },
  {
    kind: "credentials",
    code: "AuthFailure",
    advice: "AWS does not accept your credentials: check aws.profile, and AWS_* in your environment.",
  },
  ...(["ExpiredTokenException", "RequestExpired"] as const).map((code) => ({
    kind: "credentials" as const,
    code,
    advice:
      "Your AWS login has expired, or this computer's clock is wrong: log in again (for example `aws sso login`), and check " +
      "`date -u`.",
  })),
  ...(["InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"] as const).map(
    (code) => ({
      kind: "credentials" as const,
      code,
      advice:
        "AWS does not know this access key, or the secret is wrong: check aws.profile, and AWS_* in your environment " +
        "(`aws sts get-caller-identity` must work).",
    }),
  ),
  {
    kind: "credentials",
    code: "failed to refresh cached credentials",
    advice:
      "There are no usable AWS credentials: log in (`aws sso login --profile NAME`), and set aws.profile.",
  },
  {
    kind: "credentials",
    code: "SSO session has expired or is otherwise invalid",
    advice: "Your AWS login has expired: aws sso login --profile NAME.",
  },
  {
    kind: "permission",
    code: "AccessDeniedException",
    advice: "Your AWS identity may not do this. docs/aws.md lists the permissions that a lab needs.",
  },
  {
    kind: "capacity",
    code: "RequestLimitExceeded",
    advice: "The account makes too many calls at once. Wait a minute; for a class, use a lower --parallel.",
  },
  {
    kind: "quota",
    code: "PendingVerification",
    advice:
      "AWS is still verifying this new account for the region. This takes up to four hours; AWS sends an email.",
  },
  {
    kind: "permission",
    code: "OptInRequired",
    advice:
      "The account has not enabled this region or service: enable it in the console (Account, AWS Regions), or set " +
      "another aws.region.",
  },
  {
    kind: "in-use",
    code: "InsufficientFreeAddressesInSubnet",
    advice: "The subnet of aws.network has no free addresses: set another subnetId, or remove aws.network.",
  },
  {
    kind: "permission",
    code: "AWS account ID not allowed",
    advice:
      "Your credentials are for another account than aws.accountId: log in to that one (aws.profile), or change the setting.",
  },
  {
    kind: "in-use",
    code: "DependencyViolation",
    advice:
      "A resource that this stack did not create still uses it, usually a network interface. `./lab sweep --aws --stack NAME` " +
      "shows what is left of the stack.",
  },
];

/** The known failure in an error text of the AWS provider; undefined if there is no advice for it. */
export function awsFailure(text: string): Failure | undefined {
  return failures.find(({ code }) =>
    new RegExp(`(?<![\\w.])${code.replace(".", "\\.")}(?![\\w.]*\\w)`).test(text),
  );
}
