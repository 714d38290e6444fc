/**
 * Prices on AWS, in USD, on the date of the table, each with its source. A type or region that is not listed has an unknown
 * price; nothing is guessed.
 */
export interface PriceTable {
  /** Day that the instance prices were generated on, as YYYY-MM-DD. */
  readonly date: string;
  readonly source: string;
  /** USD an hour of one public IPv4 address. */
  readonly publicAddress: number;
  /** USD a GiB and month (of 730 hours) of gp3 volume. */
  readonly gp3: number;
  /** USD an hour, Linux, on demand. */
  readonly instances: Readonly<Record<string, number>>;
}

export const hoursPerMonth = 730;

/**
 * Region -> prices. Instances: aws/karpenter-provider-aws, pkg/providers/pricing/zz_generated.pricing_aws.go, which says
 * "generated at 2026-01-19T13:23:24Z for us-east-1" (that project generates it from AWS's own price list). Public
 * addresses: 0.005 an hour since 2024-02-01 (AWS News and Networking blogs). gp3: 0.08 a GB-month in us-east-1.
 */
export const prices: Readonly<Record<string, PriceTable>> = {
  "us-east-1": {
    date: "2026-01-19",
    source: "aws/karpenter-provider-aws zz_generated.pricing_aws.go, generated 2026-01-19 for us-east-1",
    publicAddress: 0.005,
    gp3: 0.08,
    instances: {
      ...sizes("c5", { large: 0.085, xlarge: 0.17, "2xlarge": 0.34, "4xlarge": 0.68 }),
      ...sizes("c5d", { large: 0.096, xlarge: 0.192, "2xlarge": 0.384, "4xlarge": 0.768 }),
      ...sizes("c6i", { large: 0.085, xlarge: 0.17, "2xlarge": 0.34, "4xlarge": 0.68, "8xlarge": 1.36 }),
      ...sizes("c6id", {
        large: 0.1008,
        xlarge: 0.2016,
        "2xlarge": 0.4032,
        "4xlarge": 0.8064,
        "8xlarge": 1.6128,
      }),
      ...sizes("c7i", {
        large: 0.08925,
        xlarge: 0.1785,
        "2xlarge": 0.357,
        "4xlarge": 0.714,
        "8xlarge": 1.428,
      }),
      ...sizes("i3en", { large: 0.226, xlarge: 0.452, "2xlarge": 0.904, "3xlarge": 1.356, "6xlarge": 2.712 }),
      ...sizes("i4i", { large: 0.172, xlarge: 0.343, "2xlarge": 0.686, "4xlarge": 1.373, "8xlarge": 2.746 }),
      ...sizes("i7i", {
        large: 0.1888,
        xlarge: 0.3775,
        "2xlarge": 0.755,
        "4xlarge": 1.5101,
        "8xlarge": 3.0202,
      }),
      ...sizes("m5", { large: 0.096, xlarge: 0.192, "2xlarge": 0.384, "4xlarge": 0.768, "8xlarge": 1.536 }),
      ...sizes("m5d", { large: 0.113, xlarge: 0.226, "2xlarge": 0.452, "4xlarge": 0.904, "8xlarge": 1.808 }),
      ...sizes("m6i", { large: 0.096, xlarge: 0.192, "2xlarge": 0.384, "4xlarge": 0.768, "8xlarge": 1.536 }),
      ...sizes("m6id", {
        large: 0.11865,
        xlarge: 0.2373,
        "2xlarge": 0.4746,
        "4xlarge": 0.9492,
        "8xlarge": 1.8984,
      }),
      ...sizes("m7i", {
        large: 0.1008,
        xlarge: 0.2016,
        "2xlarge": 0.4032,
        "4xlarge": 0.8064,
        "8xlarge": 1.6128,
      }),
      ...sizes("r6i", { large: 0.126, xlarge: 0.252, "2xlarge": 0.504, "4xlarge": 1.008, "8xlarge": 2.016 }),
      ...sizes("r6id", {
        large: 0.1512,
        xlarge: 0.3024,
        "2xlarge": 0.6048,
        "4xlarge": 1.2096,
        "8xlarge": 2.4192,
      }),
      ...sizes("t3", {
        micro: 0.0104,
        small: 0.0208,
        medium: 0.0416,
        large: 0.0832,
        xlarge: 0.1664,
        "2xlarge": 0.3328,
      }),
    },
  },
};

function sizes(family: string, bySize: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(bySize).map(([size, usd]) => [`${family}.${size}`, usd]));
}
