/**
 * The `aws` part of a stack's settings, which a lab on EC2 needs besides the settings of every target. Values that cannot work,
 * cost too much or would expose the lab to the Internet are rejected before any resource is created.
 */
import ipaddr from "ipaddr.js";
import { z } from "zod";

/** Roles that determine a machine's size, in order: the first one that a node has is used. */
export const sizingRoles = ["meta", "client", "ray-head", "ray-worker"] as const;
export type SizingRole = (typeof sizingRoles)[number];

/**
 * Default instance types. Redis is single-threaded and keeps its data in memory; a client needs an instance store (the `d` in
 * m6id), so that JuiceFS's cache is not on a network disk; Ray's processes need memory more than cores.
 */
export const defaultInstanceTypes: Readonly<Record<SizingRole, string>> = {
  meta: "m6i.large",
  client: "m6id.large",
  "ray-head": "m6i.large",
  "ray-worker": "m6i.large",
};

/** Families on the Xen hypervisor, without NVMe names, a console at any time, and UEFI. They are rejected with the reason. */
const xenFamilies = /^(t1|t2|m[1-4]|c[134]|cc2|cr1|r[34]|i[23]|d2|h1|x1e?|g[23]s?|p[23]|f1|hs1)\./;

const instanceType = z
  .string()
  .regex(/^[a-z]+\d+[a-z0-9-]*\.[a-z0-9-]+$/, "must be an EC2 instance type, such as m6i.large")
  .refine((type) => !/^[a-z]+\d+[a-z]*g[a-z]*\./.test(type), {
    message:
      "is an arm64 (Graviton) type; the lab's kernels and packages are x86-64: choose the same size of m6i, c6i or r6i",
  })
  .refine((type) => !xenFamilies.test(type), {
    message:
      "is of a family before Nitro, whose disks and console the lab cannot use: choose the same size of m6i, c6i or r6i",
  });

/** The problem with an address range for SSH; undefined if there is none. */
export function sshCidrFault(text: string): string | undefined {
  if (text.includes(":"))
    return "is IPv6, but the machines have only public IPv4 addresses: use your public IPv4 address, such as 203.0.113.7/32";
  if (!/^\d+(\.\d+){3}\//.test(text) || !ipaddr.IPv4.isValidCIDR(text))
    return "must be an IPv4 address range, such as 203.0.113.7/32";
  const [address, prefix] = ipaddr.IPv4.parseCIDR(text);
  if (prefix < 8)
    return "admits (almost) the whole Internet: use your public address, such as 203.0.113.7/32";
  const base = ipaddr.IPv4.networkAddressFromCIDR(text).toString();
  if (base !== address.toString())
    return `names a host inside a range: write ${base}/${prefix}, or end it with /32`;
  return undefined;
}

const sshCidr = z.string().superRefine((text, context) => {
  const fault = sshCidrFault(text);
  if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
});

const secondsPer = { m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of a duration such as 90m, 4h or 2d; throws on anything else. */
export function durationSeconds(text: string): number {
  const match = /^(\d{1,5})(m|h|d)$/.exec(text);
  if (!match?.[1]) throw new Error(`"${text}" is not a duration: write 90m, 4h or 2d`);
  return Number(match[1]) * secondsPer[match[2] as keyof typeof secondsPer];
}

const longest = 14 * secondsPer.d;
const shortest = 15 * secondsPer.m;

const duration = z
  .string()
  .regex(/^\d{1,5}(m|h|d)$/, {
    error: "must be a duration in minutes, hours or days: 90m, 4h or 2d",
    abort: true,
  })
  .refine((text) => {
    const seconds = durationSeconds(text);
    return seconds >= shortest && seconds <= longest;
  }, "must be between 15m and 14d");

const id = (prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`), `must be an id that starts with ${prefix}-`);

/** `pulumi config set` stores text that looks like a number as a number; this converts it back to text. */
const numberAsText = <T extends z.ZodType>(text: T) =>
  z.preprocess((value) => (Number.isSafeInteger(value) ? String(value) : value), text);

export const awsSettings = z
  .strictObject({
    region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be an AWS region, such as eu-central-1"),
    profile: z.string().min(1).optional().describe("profile of ~/.aws to use"),
    accountId: numberAsText(
      z
        .string()
        .regex(
          /^\d{12}$/,
          "must be an account number of 12 digits; if it begins with 0, add --type string to pulumi config set, which " +
            "otherwise drops the 0",
        ),
    )
      .optional()
      .describe("the only account in which this stack may be created"),
    owner: numberAsText(
      z
        .string()
        .regex(/^[\w.+@-]{2,64}$/, "must be a name or address of the owner: letters, digits and . _ + @ -"),
    ).describe("owner of these resources; a tag on all of them"),
    access: z
      .enum(["ssh", "session-manager"])
      .default("ssh")
      .describe(
        "ssh: port 22 open to sshCidr; session-manager: no port open, SSH goes through AWS Session Manager",
      ),
    sshCidr: sshCidr.optional().describe("addresses that may connect by SSH; no default"),
    network: z
      .strictObject({ vpcId: id("vpc"), subnetId: id("subnet") })
      .optional()
      .describe("an existing network; by default the lab creates one"),
    address: z
      .enum(["public", "private"])
      .default("public")
      .describe(
        "the address used to reach machines; private needs an existing network to which you are connected",
      ),
    availabilityZone: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, "must be a zone of the region, such as eu-central-1a")
      .optional()
      .describe("default: the first zone that has all instance types"),
    instanceTypes: z
      .strictObject(
        Object.fromEntries(
          sizingRoles.map((role) => [role, instanceType.default(defaultInstanceTypes[role])]),
        ) as Record<SizingRole, z.ZodDefault<typeof instanceType>>,
      )
      .prefault({}),
    image: id("ami").optional().describe("this image instead of the newest for the kernel"),
    spot: z
      .boolean()
      .default(false)
      .describe("spot instances: cheaper, but AWS may reclaim them at any time"),
    placementGroup: z
      .boolean()
      .default(true)
      .describe("all machines close together (a cluster placement group)"),
    rootGiB: z.int().min(10).max(1000).default(30).describe("size of each machine's encrypted root volume"),
    expiresAfter: duration
      .default("4h")
      .describe("machines power off and are terminated this long after the first up"),
    maxHourlyCost: z
      .number()
      .positive()
      .max(1000)
      .optional()
      .describe("refuse to create a lab that costs more (USD an hour)"),
    keepData: z.boolean().default(false).describe("destroy keeps the bucket and its contents"),
  })
  .superRefine((value, context) => {
    const fault = (path: string[], message: string) => {
      context.addIssue({ code: "custom", path, message });
    };
    if (value.access === "ssh" && value.sshCidr === undefined)
      fault(
        ["sshCidr"],
        "is required for SSH and has no default: use your public address, such as 203.0.113.7/32",
      );
    if (value.access === "session-manager" && value.sshCidr !== undefined)
      fault(
        ["sshCidr"],
        "cannot be combined with access: session-manager, which opens no port: remove one of the two",
      );
    if (value.address === "private" && !value.network)
      fault(
        ["address"],
        "private needs `network`: a network that the lab creates cannot be reached from outside",
      );
    if (value.network && value.availabilityZone !== undefined)
      fault(["availabilityZone"], "is determined by the existing subnet: remove it");
    if (value.availabilityZone !== undefined && !value.availabilityZone.startsWith(value.region))
      fault(["availabilityZone"], `is not in ${value.region}`);
    for (const role of sizingRoles) {
      const type = value.instanceTypes[role];
      if (value.placementGroup && /^t\d/.test(type))
        fault(
          ["instanceTypes", role],
          `${type} is burstable: placement groups do not accept it, and it runs out of CPU credits in a benchmark: ` +
            "choose m6i.large, or set placementGroup: false",
        );
    }
  });

export type AwsSettings = z.output<typeof awsSettings>;
