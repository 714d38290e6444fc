/** Finds the resources of labs on AWS by tag, without a state file: after a crash, a lost state, or a forgotten stack. */
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as scheduler from "@aws-sdk/client-scheduler";
import * as sfn from "@aws-sdk/client-sfn";
import { nameStart, identityPath, projectTag, tagKeys } from "../tags.ts";

/** Kinds in the order of removal: a resource comes before those that it uses. */
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
  "bucket",
  // Last: until then they end what the others leave running.
  "schedule-group",
  "state-machine",
  "role",
] as const;
export type Kind = (typeof kinds)[number];

export interface Leftover {
  readonly kind: Kind;
  /** Its id in AWS. */
  readonly id: string;
  readonly stack: string;
  readonly owner: string;
  /** Id of the run that created it. */
  readonly run: string;
  /** Expiry of its lab; undefined if the tag is missing or unreadable. */
  readonly expires: Date | undefined;
  /** True for a bucket kept by its settings. */
  readonly keep: boolean;
}

export interface Clients {
  readonly ec2: ec2.EC2Client;
  readonly iam: iam.IAMClient;
  readonly s3: s3.S3Client;
  readonly scheduler: scheduler.SchedulerClient;
  readonly sfn: sfn.SFNClient;
}

/** Clients for a region; credentials and profile come from the environment, as for every AWS tool. */
export function clientsFor(region: string): Clients {
  // A server on loopback (AWS_ENDPOINT_URL, in tests) has no host name a bucket.
  const forcePathStyle = process.env.AWS_ENDPOINT_URL !== undefined;
  return {
    ec2: new ec2.EC2Client({ region }),
    iam: new iam.IAMClient({ region }),
    // Buckets are listed for the whole account, wherever they are.
    s3: new s3.S3Client({ region, forcePathStyle, followRegionRedirects: true }),
    scheduler: new scheduler.SchedulerClient({ region }),
    sfn: new sfn.SFNClient({ region }),
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
    run: tag(tagKeys.run) ?? "?",
    expires: Number.isNaN(expires.getTime()) ? undefined : expires,
    keep: tag(tagKeys.keep) === "true",
  };
}

/** The leftovers found, and what could not be examined and so may also be left. */
export interface Findings {
  /** In order of removal. */
  readonly found: Leftover[];
  /** One line each: what, and the reason. */
  readonly unseen: string[];
}

/** Everything with the lab's tags in the clients' region, and the account's roles and buckets. */
export async function findLeftovers(clients: Clients): Promise<Findings> {
  const unseen: string[] = [];
  const lists: Readonly<Record<string, (unseen: string[]) => Promise<(Leftover | undefined)[]>>> = {
    instances: () => instances(clients),
    ...describers(clients),
    "instance profiles": (unseen) => profiles(clients, unseen),
    roles: (unseen) => roles(clients, unseen),
    buckets: (unseen) => buckets(clients, unseen),
    "schedule groups": (unseen) => scheduleGroups(clients, unseen),
    "state machines": (unseen) => stateMachines(clients, unseen),
  };
  const found = await Promise.all(
    Object.entries(lists).map(async ([what, list]) => {
      try {
        return await list(unseen);
      } catch (error) {
        unseen.push(`${what}: ${reasonOf(error)}`);
        return [];
      }
    }),
  );
  return {
    found: found
      .flat()
      .filter((each) => each !== undefined)
      .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind)),
    unseen,
  };
}

/** Examines one item of a list. Skips an item that no longer exists; reports one that cannot be examined. */
async function lookAt<T>(what: string, unseen: string[], look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!/NoSuch|NotFound|DoesNotExist/.test(error instanceof Error ? error.name : ""))
      unseen.push(`${what}: ${reasonOf(error)}`);
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
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
  return {
    volumes: async () =>
      ((await client.send(new ec2.DescribeVolumesCommand({ Filters }))).Volumes ?? [])
        // The others go with their machines.
        .filter(({ State }) => State === "available")
        .map(({ VolumeId, Tags }) => leftover("volume", VolumeId, Tags)),
    "VPC endpoints": async () =>
      ((await client.send(new ec2.DescribeVpcEndpointsCommand({ Filters }))).VpcEndpoints ?? [])
        .filter(({ State }) => !/^delet/i.test(State ?? ""))
        .map(({ VpcEndpointId, Tags }) => leftover("vpc-endpoint", VpcEndpointId, Tags)),
    "security groups": async () =>
      ((await client.send(new ec2.DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? []).map(
        ({ GroupId, Tags }) => leftover("security-group", GroupId, Tags),
      ),
    "route tables": async () =>
      ((await client.send(new ec2.DescribeRouteTablesCommand({ Filters }))).RouteTables ?? []).map(
        ({ RouteTableId, Tags }) => leftover("route-table", RouteTableId, Tags),
      ),
    "internet gateways": async () =>
      ((await client.send(new ec2.DescribeInternetGatewaysCommand({ Filters }))).InternetGateways ?? []).map(
        ({ InternetGatewayId, Tags }) => leftover("internet-gateway", InternetGatewayId, Tags),
      ),
    subnets: async () =>
      ((await client.send(new ec2.DescribeSubnetsCommand({ Filters }))).Subnets ?? []).map(
        ({ SubnetId, Tags }) => leftover("subnet", SubnetId, Tags),
      ),
    VPCs: async () =>
      ((await client.send(new ec2.DescribeVpcsCommand({ Filters }))).Vpcs ?? []).map(({ VpcId, Tags }) =>
        leftover("vpc", VpcId, Tags),
      ),
    "placement groups": async () =>
      ((await client.send(new ec2.DescribePlacementGroupsCommand({ Filters }))).PlacementGroups ?? []).map(
        ({ GroupName, Tags }) => leftover("placement-group", GroupName, Tags),
      ),
    "key pairs": async () =>
      ((await client.send(new ec2.DescribeKeyPairsCommand({ Filters }))).KeyPairs ?? []).map(
        ({ KeyName, Tags }) => leftover("key-pair", KeyName, Tags),
      ),
  };
}

async function profiles({ iam: client }: Clients, unseen: string[]) {
  const found = [];
  for await (const page of iam.paginateListInstanceProfiles({ client }, { PathPrefix: identityPath }))
    for (const { InstanceProfileName } of page.InstanceProfiles ?? []) {
      // The list leaves the tags out.
      const profile = await lookAt(`instance profile ${InstanceProfileName}`, unseen, () =>
        client.send(new iam.GetInstanceProfileCommand({ InstanceProfileName })),
      );
      found.push(leftover("instance-profile", InstanceProfileName, profile?.InstanceProfile?.Tags));
    }
  return found;
}

async function roles({ iam: client }: Clients, unseen: string[]) {
  const found = [];
  for await (const page of iam.paginateListRoles({ client }, { PathPrefix: identityPath }))
    for (const { RoleName } of page.Roles ?? []) {
      const tags = await lookAt(`role ${RoleName}`, unseen, () =>
        client.send(new iam.ListRoleTagsCommand({ RoleName })),
      );
      found.push(leftover("role", RoleName, tags?.Tags));
    }
  return found;
}

async function buckets({ s3: client }: Clients, unseen: string[]) {
  const { Buckets = [] } = await client.send(new s3.ListBucketsCommand({}));
  const found = [];
  for (const { Name } of Buckets.filter((bucket) => bucket.Name?.startsWith(nameStart))) {
    // Any account of the world may have a bucket whose name begins so; one without tags is none of ours.
    const tags = await lookAt(`bucket ${Name}`, unseen, () =>
      client.send(new s3.GetBucketTaggingCommand({ Bucket: Name })),
    );
    found.push(leftover("bucket", Name, tags?.TagSet));
  }
  return found;
}

async function scheduleGroups({ scheduler: client }: Clients, unseen: string[]) {
  const found = [];
  const pages = scheduler.paginateListScheduleGroups({ client }, { NamePrefix: nameStart });
  for await (const page of pages)
    for (const { Name, Arn } of page.ScheduleGroups ?? []) {
      const tags = await lookAt(`schedule group ${Name}`, unseen, () =>
        client.send(new scheduler.ListTagsForResourceCommand({ ResourceArn: Arn })),
      );
      found.push(leftover("schedule-group", Name, tags?.Tags));
    }
  return found;
}

async function stateMachines({ sfn: client }: Clients, unseen: string[]) {
  const found = [];
  for await (const page of sfn.paginateListStateMachines({ client }, {}))
    for (const { name, stateMachineArn } of page.stateMachines ?? []) {
      if (name?.startsWith(nameStart) !== true) continue;
      const { tags = [] } =
        (await lookAt(`state machine ${name}`, unseen, () =>
          client.send(new sfn.ListTagsForResourceCommand({ resourceArn: stateMachineArn })),
        )) ?? {};
      const upper = tags.map(({ key, value }) => ({ Key: key, Value: value }));
      found.push(leftover("state-machine", stateMachineArn, upper));
    }
  return found;
}
