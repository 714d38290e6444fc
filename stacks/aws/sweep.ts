/**
 * What is left on AWS of labs, found by their tags and not by any state file: after a crash, a lost state, a forgotten
 * stack. Removes it in the order that AWS allows.
 */
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { emptyBucket } from "./emptyBucket.ts";
import { bucketNameStart, identityPath, projectTag, tagKeys } from "./tags.ts";

/** Kinds in the order of removal: what uses comes before what is used. */
export const kinds = [
  "instance",
  "volume",
  "vpc-endpoint",
  "security-group",
  "route-table",
  "internet-gateway",
  "subnet",
  "vpc",
  "placement-group",
  "key-pair",
  "instance-profile",
  "role",
  "bucket",
] as const;
export type Kind = (typeof kinds)[number];

export interface Leftover {
  readonly kind: Kind;
  /** What AWS calls it. */
  readonly id: string;
  readonly stack: string;
  readonly owner: string;
  /** When its lab was to end; undefined where the tag is missing or unreadable. */
  readonly expires: Date | undefined;
  /** A bucket that its settings keep. */
  readonly keep: boolean;
}

export interface Clients {
  readonly ec2: ec2.EC2Client;
  readonly iam: iam.IAMClient;
  readonly s3: s3.S3Client;
}

/** Clients for a region; credentials and profile come from the environment, as for every tool of AWS. */
export function clientsFor(region: string): Clients {
  // A server on loopback (AWS_ENDPOINT_URL, in tests) has no host name a bucket.
  const forcePathStyle = process.env.AWS_ENDPOINT_URL !== undefined;
  return {
    ec2: new ec2.EC2Client({ region }),
    iam: new iam.IAMClient({ region }),
    s3: new s3.S3Client({ region, forcePathStyle }),
  };
}

type Tags = readonly { readonly Key?: string; readonly Value?: string }[];

function leftover(kind: Kind, id: string | undefined, tags: Tags = []): Leftover | undefined {
  const tag = (key: string): string | undefined => tags.find((each) => each.Key === key)?.Value;
  if (id === undefined || tag(tagKeys.project) !== projectTag) return undefined;
  const expires = new Date(tag(tagKeys.expires) ?? "");
  return {
    kind,
    id,
    stack: tag(tagKeys.stack) ?? "?",
    owner: tag(tagKeys.owner) ?? "?",
    expires: Number.isNaN(expires.getTime()) ? undefined : expires,
    keep: tag(tagKeys.keep) === "true",
  };
}

/** All that carries the lab's tags in the clients' region, and the account's roles and buckets; in order of removal. */
export async function findLeftovers(clients: Clients): Promise<Leftover[]> {
  const found = await Promise.all([
    instances(clients),
    ...describers(clients).map(async (list) => await list()),
    profiles(clients),
    roles(clients),
    buckets(clients),
  ]);
  return found
    .flat()
    .filter((each) => each !== undefined)
    .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
}

const ours = [{ Name: `tag:${tagKeys.project}`, Values: [projectTag] }];

async function instances({ ec2: client }: Clients) {
  const living = [
    ...ours,
    { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped", "shutting-down"] },
  ];
  const found = [];
  for await (const page of ec2.paginateDescribeInstances({ client }, { Filters: living }))
    for (const { Instances = [] } of page.Reservations ?? [])
      found.push(...Instances.map(({ InstanceId, Tags }) => leftover("instance", InstanceId, Tags)));
  return found;
}

function describers({ ec2: client }: Clients) {
  const Filters = ours;
  return [
    async () =>
      ((await client.send(new ec2.DescribeVolumesCommand({ Filters }))).Volumes ?? [])
        // The others go with their machines.
        .filter(({ State }) => State === "available")
        .map(({ VolumeId, Tags }) => leftover("volume", VolumeId, Tags)),
    async () =>
      ((await client.send(new ec2.DescribeVpcEndpointsCommand({ Filters }))).VpcEndpoints ?? [])
        .filter(({ State }) => !/^delet/i.test(State ?? ""))
        .map(({ VpcEndpointId, Tags }) => leftover("vpc-endpoint", VpcEndpointId, Tags)),
    async () =>
      ((await client.send(new ec2.DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? []).map(
        ({ GroupId, Tags }) => leftover("security-group", GroupId, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribeRouteTablesCommand({ Filters }))).RouteTables ?? []).map(
        ({ RouteTableId, Tags }) => leftover("route-table", RouteTableId, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribeInternetGatewaysCommand({ Filters }))).InternetGateways ?? []).map(
        ({ InternetGatewayId, Tags }) => leftover("internet-gateway", InternetGatewayId, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribeSubnetsCommand({ Filters }))).Subnets ?? []).map(
        ({ SubnetId, Tags }) => leftover("subnet", SubnetId, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribeVpcsCommand({ Filters }))).Vpcs ?? []).map(({ VpcId, Tags }) =>
        leftover("vpc", VpcId, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribePlacementGroupsCommand({ Filters }))).PlacementGroups ?? []).map(
        ({ GroupName, Tags }) => leftover("placement-group", GroupName, Tags),
      ),
    async () =>
      ((await client.send(new ec2.DescribeKeyPairsCommand({ Filters }))).KeyPairs ?? []).map(
        ({ KeyName, Tags }) => leftover("key-pair", KeyName, Tags),
      ),
  ];
}

async function profiles({ iam: client }: Clients) {
  const found = [];
  for await (const page of iam.paginateListInstanceProfiles({ client }, { PathPrefix: identityPath }))
    for (const { InstanceProfileName } of page.InstanceProfiles ?? []) {
      // The list leaves the tags out.
      const { InstanceProfile } = await client.send(
        new iam.GetInstanceProfileCommand({ InstanceProfileName }),
      );
      found.push(leftover("instance-profile", InstanceProfileName, InstanceProfile?.Tags));
    }
  return found;
}

async function roles({ iam: client }: Clients) {
  const found = [];
  for await (const page of iam.paginateListRoles({ client }, { PathPrefix: identityPath }))
    for (const { RoleName } of page.Roles ?? []) {
      const { Tags } = await client.send(new iam.ListRoleTagsCommand({ RoleName }));
      found.push(leftover("role", RoleName, Tags));
    }
  return found;
}

async function buckets({ s3: client }: Clients) {
  const { Buckets = [] } = await client.send(new s3.ListBucketsCommand({}));
  const found = [];
  for (const { Name } of Buckets.filter((bucket) => bucket.Name?.startsWith(bucketNameStart))) {
    const tags = await unless(client.send(new s3.GetBucketTaggingCommand({ Bucket: Name })), /NoSuch/);
    found.push(leftover("bucket", Name, tags?.TagSet));
  }
  return found;
}

/** Which leftovers a sweep is for. */
export interface Selection {
  /** Of this stack, whether or not it is over. */
  readonly stack?: string;
  /** Of all stacks whose time is over; what has no readable time counts as over. */
  readonly expiredAt?: Date;
  /** Also buckets that their settings keep. */
  readonly withData: boolean;
}

export function select(all: readonly Leftover[], { stack, expiredAt, withData }: Selection): Leftover[] {
  return all.filter((each) => {
    if (each.keep && !withData) return false;
    if (stack !== undefined) return each.stack === stack;
    return expiredAt !== undefined && (each.expires === undefined || each.expires <= expiredAt);
  });
}

/**
 * Removes leftovers in order. What cannot be removed is reported and does not stop the rest; whoever calls looks again
 * afterwards at what is left.
 * @returns a line for each failure
 */
export async function remove(
  clients: Clients,
  leftovers: readonly Leftover[],
  say: (line: string) => void,
): Promise<string[]> {
  const failures: string[] = [];
  const attempt = async (what: string, call: () => Promise<unknown>): Promise<void> => {
    try {
      await call();
      say(`removed ${what}`);
    } catch (error) {
      if (/NotFound|NoSuch/.test(error instanceof Error ? error.name : "")) return;
      failures.push(`${what}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
    }
  };
  const machines = leftovers.filter(({ kind }) => kind === "instance").map(({ id }) => id);
  if (machines.length > 0)
    await attempt(`${machines.length} instances: ${machines.join(", ")}`, async () => {
      await clients.ec2.send(new ec2.TerminateInstancesCommand({ InstanceIds: machines }));
      await ec2.waitUntilInstanceTerminated(
        { client: clients.ec2, maxWaitTime: 600, minDelay: 2 },
        { InstanceIds: machines },
      );
    });
  for (const { kind, id } of leftovers.filter((each) => each.kind !== "instance"))
    await attempt(`${kind} ${id}`, async () => {
      await removers[kind as Exclude<Kind, "instance">](clients, id);
    });
  return failures;
}

const removers: Readonly<
  Record<Exclude<Kind, "instance">, (clients: Clients, id: string) => Promise<unknown>>
> = {
  volume: (clients, VolumeId) => clients.ec2.send(new ec2.DeleteVolumeCommand({ VolumeId })),
  "vpc-endpoint": (clients, id) =>
    clients.ec2.send(new ec2.DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] })),
  async "security-group"(clients, GroupId) {
    // A group that a rule of its own names cannot go before that rule.
    const { SecurityGroups } = await clients.ec2.send(
      new ec2.DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }),
    );
    const IpPermissions = SecurityGroups?.[0]?.IpPermissions ?? [];
    if (IpPermissions.length > 0)
      await clients.ec2.send(new ec2.RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    // Its machines' network cards go some seconds after the machines.
    await patiently(() => clients.ec2.send(new ec2.DeleteSecurityGroupCommand({ GroupId })));
  },
  async "route-table"(clients, RouteTableId) {
    const { RouteTables } = await clients.ec2.send(
      new ec2.DescribeRouteTablesCommand({ RouteTableIds: [RouteTableId] }),
    );
    for (const { RouteTableAssociationId, Main } of RouteTables?.[0]?.Associations ?? [])
      if (Main !== true)
        await clients.ec2.send(
          new ec2.DisassociateRouteTableCommand({ AssociationId: RouteTableAssociationId }),
        );
    await clients.ec2.send(new ec2.DeleteRouteTableCommand({ RouteTableId }));
  },
  async "internet-gateway"(clients, InternetGatewayId) {
    const { InternetGateways } = await clients.ec2.send(
      new ec2.DescribeInternetGatewaysCommand({ InternetGatewayIds: [InternetGatewayId] }),
    );
    for (const { VpcId } of InternetGateways?.[0]?.Attachments ?? [])
      await patiently(() =>
        clients.ec2.send(new ec2.DetachInternetGatewayCommand({ InternetGatewayId, VpcId })),
      );
    await clients.ec2.send(new ec2.DeleteInternetGatewayCommand({ InternetGatewayId }));
  },
  subnet: (clients, SubnetId) => patiently(() => clients.ec2.send(new ec2.DeleteSubnetCommand({ SubnetId }))),
  vpc: (clients, VpcId) => patiently(() => clients.ec2.send(new ec2.DeleteVpcCommand({ VpcId }))),
  "placement-group": (clients, GroupName) =>
    patiently(() => clients.ec2.send(new ec2.DeletePlacementGroupCommand({ GroupName }))),
  "key-pair": (clients, KeyName) => clients.ec2.send(new ec2.DeleteKeyPairCommand({ KeyName })),
  async "instance-profile"(clients, InstanceProfileName) {
    const { InstanceProfile } = await clients.iam.send(
      new iam.GetInstanceProfileCommand({ InstanceProfileName }),
    );
    for (const { RoleName } of InstanceProfile?.Roles ?? [])
      await clients.iam.send(new iam.RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName }));
    await clients.iam.send(new iam.DeleteInstanceProfileCommand({ InstanceProfileName }));
  },
  async role(clients, RoleName) {
    const { PolicyNames = [] } = await clients.iam.send(new iam.ListRolePoliciesCommand({ RoleName }));
    for (const PolicyName of PolicyNames)
      await clients.iam.send(new iam.DeleteRolePolicyCommand({ RoleName, PolicyName }));
    const { AttachedPolicies = [] } = await clients.iam.send(
      new iam.ListAttachedRolePoliciesCommand({ RoleName }),
    );
    for (const { PolicyArn } of AttachedPolicies)
      await clients.iam.send(new iam.DetachRolePolicyCommand({ RoleName, PolicyArn }));
    await clients.iam.send(new iam.DeleteRoleCommand({ RoleName }));
  },
  async bucket(clients, Bucket) {
    await emptyBucket(clients.s3, Bucket);
    await clients.s3.send(new s3.DeleteBucketCommand({ Bucket }));
  },
};

/** Tries for two minutes while AWS says that something still uses it. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 120_000; ; await new Promise((resolve) => setTimeout(resolve, 5000)))
    try {
      return await call();
    } catch (error) {
      const inUse = error instanceof Error && /DependencyViolation|InUse/.test(error.name);
      if (!inUse || Date.now() > deadline) throw error;
    }
}

async function unless<T>(call: Promise<T>, missing: RegExp): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && missing.test(error.name)) return undefined;
    throw error;
  }
}
