/**
 * The errors of AWS that a user can do something about, each with what to do. The provider passes on AWS's error code in
 * its message; the code is what is looked for, never the prose around it.
 */
export type FailureKind =
  "capacity" | "quota" | "image" | "permission" | "credentials" | "spot" | "unsupported" | "in-use";

export interface Failure {
  readonly kind: FailureKind;
  /** AWS's own error code; for errors without one, the words of its SDK or provider. */
  readonly code: string;
  readonly advice: string;
}

const table: readonly (Failure & { readonly code: string })[] = [
  {
    kind: "capacity",
    code: "InsufficientInstanceCapacity",
    advice:
      "AWS has no such machine free in this zone now. Try again in some minutes, or set aws.placementGroup: false, another " +
      "aws.availabilityZone, or another type in aws.instanceTypes.",
  },
  {
    kind: "capacity",
    code: "InsufficientReservedInstanceCapacity",
    advice: "AWS has no such machine free now. Try again, or take another type in aws.instanceTypes.",
  },
  {
    kind: "quota",
    code: "VcpuLimitExceeded",
    advice:
      "The account may not run that many vCPUs. Take smaller types in aws.instanceTypes or fewer nodes, or ask for more: " +
      'Service Quotas, "Running On-Demand Standard instances".',
  },
  {
    kind: "quota",
    code: "InstanceLimitExceeded",
    advice:
      "The account may not run that many machines of this type. Take fewer nodes, or ask for more in Service Quotas.",
  },
  {
    kind: "quota",
    code: "VpcLimitExceeded",
    advice:
      "The region has all the VPCs that the account may have (5 by default). Remove one (`./lab sweep --aws` finds forgotten " +
      "labs), use an existing one with aws.network, or ask for more in Service Quotas.",
  },
  {
    kind: "quota",
    code: "TooManyBuckets",
    advice:
      "The account has all the S3 buckets that it may have. Remove some, or ask for more in Service Quotas.",
  },
  {
    kind: "spot",
    code: "MaxSpotInstanceCountExceeded",
    advice:
      "The account may not run that many spot machines. Set aws.spot: false, or ask for more in Service Quotas.",
  },
  {
    kind: "spot",
    code: "SpotMaxPriceTooLow",
    advice:
      "Spot machines of this type now cost more than on-demand ones. Set aws.spot: false, or take another type.",
  },
  {
    kind: "image",
    code: "InvalidAMIID.NotFound",
    advice:
      "The image that this stack is pinned to is gone. Machines that run stay. To take a new image, which replaces the " +
      "machines: pulumi up --replace on the Stash named in the message `pinned image`, or set aws.image.",
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
      "aws.placementGroup: false, or take another type in aws.instanceTypes.",
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
    advice: "Your AWS login is over: log in again (`aws sso login` or the like), then run the same command.",
  },
  {
    kind: "credentials",
    code: "AuthFailure",
    advice: "AWS does not accept your credentials: look at aws.profile, and at AWS_* in your environment.",
  },
  ...(["ExpiredTokenException", "RequestExpired"] as const).map((code) => ({
    kind: "credentials" as const,
    code,
    advice:
      "Your AWS login is over, or this computer's clock is wrong: log in again (`aws sso login` or the like), and compare " +
      "`date -u` with the time.",
  })),
  ...(["InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"] as const).map(
    (code) => ({
      kind: "credentials" as const,
      code,
      advice:
        "AWS does not know this access key, or its secret is another: look at aws.profile, and at AWS_* in your environment " +
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
    advice: "Your AWS login is over: aws sso login --profile NAME.",
  },
  {
    kind: "permission",
    code: "AccessDeniedException",
    advice: "Your AWS identity may not do this. docs/aws.md lists the permissions that a lab needs.",
  },
  {
    kind: "capacity",
    code: "RequestLimitExceeded",
    advice: "The account makes too many calls at once. Wait a minute; for a class, take a lower --parallel.",
  },
  {
    kind: "quota",
    code: "PendingVerification",
    advice:
      "AWS is still verifying this new account for the region: it takes up to four hours, and AWS sends a mail.",
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
    advice:
      "The subnet of aws.network has no free addresses: give another subnetId, or leave aws.network out.",
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
      "Something that this stack did not make still uses it, a network interface most often. `./lab sweep --aws` shows what " +
      "of the stack is left.",
  },
];

/** The failure that an error text of the AWS provider tells of, or undefined when there is no advice for it. */
export function awsFailure(text: string): Failure | undefined {
  return table.find(({ code }) =>
    new RegExp(`(?<![\\w.])${code.replace(".", "\\.")}(?![\\w.]*\\w)`).test(text),
  );
}
