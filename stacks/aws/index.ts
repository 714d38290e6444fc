/**
 * The AWS target: creates the machines of a lab on EC2. Everything after that (services, extensions, benchmarks) is the same
 * program as for local machines. Order: cost check, values fixed for the stack's life, network, storage, machines.
 */
import * as aws from "./resources.ts";
import type { Region } from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Kernel } from "../../provisioning/kernels.ts";
import type { Machine, Role } from "../../provisioning/machine.ts";
import { Network } from "./access/network.ts";
import { forward, forwardPort } from "./access/sessionManager.ts";
import { sshFiles } from "./access/sshFiles.ts";
import { sshKey } from "./access/sshKey.ts";
import { Deadline } from "./cleanup/deadline.ts";
import { lifetime, settled } from "./cleanup/lifetime.ts";
import { checkCost, costEstimate, type CostEstimate } from "./cost/cost.ts";
import { pinnedImage } from "./machine/image.ts";
import { Instance } from "./machine/instance.ts";
import { durationSeconds, sizingRoles, type AwsSettings } from "./settings.ts";
import { Storage } from "./storage.ts";
import { nameStart, tagger } from "./tags.ts";

/** The properties of a topology's node that EC2 needs. */
export interface AwsNode {
  readonly name: string;
  readonly roles: readonly Role[];
}

export interface AwsLabSettings {
  readonly kernel: Kernel;
  readonly aws: AwsSettings;
  /** Folder of JuiceFS's cache on a client: on the instance store, if the machine has one. */
  readonly cacheFolder: string;
}

/** The store for JuiceFS's blocks. The machines' identity gives access, so there are no keys. */
export interface AwsObjectStore {
  /** In the form of JuiceFS's `--bucket`, with `--storage s3`. */
  readonly url: pulumi.Output<string>;
  readonly bucket: pulumi.Output<string>;
  /** Required name of the volume: the machines may only use keys below it. */
  readonly prefix: string;
}

export interface AwsLab {
  readonly machines: Machine[];
  readonly objectStore: AwsObjectStore;
  readonly outputs: {
    readonly created: pulumi.Output<string>;
    readonly expires: pulumi.Output<string>;
    readonly run: pulumi.Output<string>;
    readonly region: string;
    readonly costEstimate: CostEstimate;
    readonly images: Readonly<Record<string, pulumi.Output<string>>>;
    readonly zone: pulumi.Output<string>;
    readonly bucket: pulumi.Output<string>;
  };
}

/**
 * @param volume name of the JuiceFS volume, and the only prefix of the bucket that machines may use
 * @throws Error before any resource is created, if the lab would cost more than `aws.maxHourlyCost`
 */
export function awsMachines(settings: AwsLabSettings, nodes: readonly AwsNode[], volume: string): AwsLab {
  const { kernel, cacheFolder } = settings;
  const config = settings.aws;
  const stack = pulumi.getStack();
  const machines = awsNodes(nodes);
  const types = machines.map((node) => instanceTypeOf(node, config.instanceTypes));
  const publicAddress = config.address === "public";
  const seconds = durationSeconds(config.expiresAfter);

  const estimate = costEstimate(
    {
      region: config.region,
      instanceTypes: types,
      rootGiB: config.rootGiB,
      publicAddresses: publicAddress,
      spot: config.spot,
    },
    seconds,
  );
  checkCost(estimate, config.maxHourlyCost);

  const provider = new aws.Provider("aws", {
    region: config.region as Region,
    profile: config.profile,
    allowedAccountIds: config.accountId === undefined ? undefined : [config.accountId],
  });
  const opts = { provider };
  const life = lifetime(seconds, new Date(), {});
  const tags = tagger({ stack, owner: config.owner, ...life });
  const deadline = new Deadline("deadline", { stack, run: life.run, expires: life.expires, tags }, opts);
  const image = pinnedImage({ kernel, image: config.image }, opts);
  const zone = config.network
    ? aws.getSubnetOutput({ id: config.network.subnetId }, opts).availabilityZone
    : config.availabilityZone === undefined
      ? settled("zone", zoneWithAll(types, config.region, opts), {})
      : pulumi.output(config.availabilityZone);

  const network = new Network(
    "network",
    { region: config.region, zone, existing: config.network, sshCidr: config.sshCidr, tags },
    opts,
  );
  const storage = new Storage(
    "storage",
    {
      bucketPrefix: bucketPrefix(stack),
      objectPrefix: volume,
      keepData: config.keepData,
      sessionManager: config.access === "session-manager",
      tags,
    },
    opts,
  );
  const key = sshKey("ssh-key");
  const keyPair = new aws.KeyPair("key", { publicKey: key.publicKey, tags: tags("key") }, opts);
  const group = config.placementGroup
    ? new aws.PlacementGroup("group", { strategy: "cluster", tags: tags("group") }, opts)
    : undefined;

  const instances = machines.map(
    (node, index) =>
      new Instance(
        node.name,
        {
          name: node.name,
          roles: node.roles,
          kernel,
          region: config.region,
          profile: config.profile,
          image,
          instanceType: instanceTypeOf(node, config.instanceTypes),
          subnetId: network.subnetId,
          securityGroupId: network.securityGroupId,
          instanceProfile: storage.instanceProfile,
          keyName: keyPair.keyName,
          placementGroup: group?.name,
          key,
          rootGiB: config.rootGiB,
          spot: config.spot,
          publicAddress,
          forwardedPort: config.access === "session-manager" ? forwardTo(config, stack, index) : undefined,
          fuseSeconds: life.fuseSeconds,
          expires: life.expires,
          cacheFolder,
          tags,
          after: [...deadline.ready, ...network.ready, ...storage.ready],
        },
        opts,
      ),
  );
  sshFiles("ssh-files", stack, {
    privateKey: key.privateKey,
    hosts: instances.map((instance) => instance.sshHost),
    sessionManager:
      config.access === "session-manager" ? { region: config.region, profile: config.profile } : undefined,
  });
  return {
    machines: instances.map((instance) => instance.machine),
    objectStore: {
      bucket: storage.bucket,
      prefix: volume,
      url: pulumi.interpolate`https://${storage.bucket}.s3.${config.region}.amazonaws.com`,
    },
    outputs: {
      created: life.created,
      expires: life.expires,
      run: life.run,
      region: config.region,
      costEstimate: estimate,
      images: { [kernel]: image },
      zone,
      bucket: storage.bucket,
    },
  };
}

/** The nodes as EC2 machines. S3 is the object store, so the role is removed, and nodes with only that role are left out. */
export function awsNodes<Node extends AwsNode>(nodes: readonly Node[]): Node[] {
  return nodes
    .map((node) => ({ ...node, roles: node.roles.filter((role) => role !== "objects") }))
    .filter((node) => node.roles.length > 0);
}

/** The instance type for a node's first sizing role. */
export function instanceTypeOf(node: AwsNode, types: AwsSettings["instanceTypes"]): string {
  const role = sizingRoles.find((each) => node.roles.includes(each));
  if (!role)
    throw new Error(`node ${node.name} has no role that decides its size (${node.roles.join(", ")})`);
  return types[role];
}

/** A bucket name has at most 63 characters (a-z, 0-9 and -), of which AWS uses 26 for unique digits. */
export function bucketPrefix(stack: string): string {
  const name = stack
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return `${nameStart}${name}`.slice(0, 36).replace(/-+$/, "") + "-";
}

/** The first zone of the region that offers all the types. */
function zoneWithAll(
  types: readonly string[],
  region: string,
  opts: pulumi.InvokeOptions,
): pulumi.Output<string> {
  const wanted = [...new Set(types)].sort();
  return aws
    .getInstanceTypeOfferingsOutput(
      { locationType: "availability-zone", filters: [{ name: "instance-type", values: wanted }] },
      opts,
    )
    .apply(({ instanceTypes, locations }) => firstZone(wanted, region, instanceTypes, locations));
}

/**
 * @param offered instance type of each offer, beside its zone in `zones`
 * @throws Error that names the missing types of each zone if none has all
 */
export function firstZone(
  wanted: readonly string[],
  region: string,
  offered: readonly string[],
  zones: readonly string[],
): string {
  const lacks = (zone: string): string[] =>
    wanted.filter((type) => !zones.some((each, index) => each === zone && offered[index] === type));
  const all = [...new Set(zones)].sort();
  const zone = all.find((each) => lacks(each).length === 0);
  if (zone === undefined) {
    const each = all.map((name) => `${name} lacks ${lacks(name).join(", ")}`).join("; ");
    throw new Error(
      `no zone of ${region} has all of ${wanted.join(", ")}${each === "" ? "" : ` (${each})`}: ` +
        "choose other types in aws.instanceTypes, or another aws.region",
    );
  }
  return zone;
}

function forwardTo(config: AwsSettings, stack: string, index: number) {
  const port = forwardPort(stack, index);
  return (instanceId: pulumi.Output<string>): pulumi.Output<number> =>
    pulumi.runtime.isDryRun()
      ? instanceId.apply(() => port)
      : instanceId.apply((id) =>
          forward({ instanceId: id, port, region: config.region, profile: config.profile }),
        );
}
