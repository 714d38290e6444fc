/** The EC2 types: network, key pair, placement group, instances. */
import * as ec2 from "@aws-sdk/client-ec2";
import type { Properties } from "../../../plugins/command/wire.ts";
import { loopbackAddress } from "./loopback.ts";
import { tagList, unique, unlessMissing, type ResourceType } from "./resourceType.ts";

const client = new ec2.EC2Client({});
const s = (value: unknown): string => value as string;

const specification = (resource: ec2.ResourceType, inputs: Properties) => [
  { ResourceType: resource, Tags: tagList(inputs.tags) },
];

/** Errors have the form of terraform-provider-aws: operation, status, then AWS's code and message. */
async function run<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ec2.EC2ServiceException)) throw error;
    const status = error.$metadata.httpStatusCode ?? 0;
    throw new Error(
      `operation error EC2: ${operation}, https response error StatusCode: ${status}, api error ${error.name}: ${error.message}`,
      { cause: error },
    );
  }
}

async function setTags(id: string, inputs: Properties): Promise<void> {
  await client.send(new ec2.CreateTagsCommand({ Resources: [id], Tags: tagList(inputs.tags) }));
}

const found = async <T>(
  call: Promise<T>,
  list: (value: T) => unknown[] | undefined,
): Promise<Properties | undefined> => {
  const result = await unlessMissing(call);
  return result !== undefined && (list(result)?.length ?? 0) > 0 ? {} : undefined;
};

const tagged = { updatable: ["tags", "tagsAll"], update: setTags } as const;
const filter = (name: string, value: string) => ({ Filters: [{ Name: name, Values: [value] }] });

function permission(inputs: Properties): ec2.IpPermission {
  return {
    IpProtocol: s(inputs.ipProtocol),
    FromPort: inputs.fromPort as number | undefined,
    ToPort: inputs.toPort as number | undefined,
    ...(inputs.cidrIpv4 !== undefined && {
      IpRanges: [{ CidrIp: s(inputs.cidrIpv4), Description: s(inputs.description) }],
    }),
    ...(inputs.referencedSecurityGroupId !== undefined && {
      UserIdGroupPairs: [
        { GroupId: s(inputs.referencedSecurityGroupId), Description: s(inputs.description) },
      ],
    }),
  };
}

function rule(direction: "ingress" | "egress"): ResourceType {
  const ingress = direction === "ingress";
  return {
    ...tagged,
    async create(inputs) {
      const request = {
        GroupId: s(inputs.securityGroupId),
        IpPermissions: [permission(inputs)],
        TagSpecifications: specification("security-group-rule", inputs),
      };
      const result = await run<
        ec2.AuthorizeSecurityGroupIngressCommandOutput | ec2.AuthorizeSecurityGroupEgressCommandOutput
      >(
        "AuthorizeSecurityGroup",
        ingress
          ? client.send(new ec2.AuthorizeSecurityGroupIngressCommand(request))
          : client.send(new ec2.AuthorizeSecurityGroupEgressCommand(request)),
      );
      return { id: s(result.SecurityGroupRules?.[0]?.SecurityGroupRuleId), outputs: {} };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeSecurityGroupRulesCommand({ SecurityGroupRuleIds: [id] })),
        (result) => result.SecurityGroupRules,
      ),
    async delete(id, state) {
      const request = { GroupId: s(state.securityGroupId), SecurityGroupRuleIds: [id] };
      await unlessMissing<unknown>(
        ingress
          ? client.send(new ec2.RevokeSecurityGroupIngressCommand(request))
          : client.send(new ec2.RevokeSecurityGroupEgressCommand(request)),
      );
    },
  };
}

async function describeInstance(id: string): Promise<ec2.Instance | undefined> {
  const result = await unlessMissing(client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [id] })));
  const instance = result?.Reservations?.[0]?.Instances?.[0];
  return instance && ["pending", "running", "stopping", "stopped"].includes(s(instance.State?.Name))
    ? instance
    : undefined;
}

const instance: ResourceType = {
  updatable: ["tags", "tagsAll"],
  onlyTags: (key, before, after) => {
    if (key !== "rootBlockDevice") return false;
    const bare = (inputs: Properties) => ({ ...(inputs.rootBlockDevice as Properties), tags: undefined });
    return JSON.stringify(bare(before)) === JSON.stringify(bare(after));
  },
  async create(inputs) {
    const root = inputs.rootBlockDevice as Properties;
    const metadata = inputs.metadataOptions as Properties;
    const market = inputs.instanceMarketOptions as Properties | undefined;
    const spot = market?.spotOptions as Properties | undefined;
    const result = await run(
      "RunInstances",
      client.send(
        new ec2.RunInstancesCommand({
          MinCount: 1,
          MaxCount: 1,
          ImageId: s(inputs.ami),
          InstanceType: s(inputs.instanceType) as ec2._InstanceType,
          KeyName: s(inputs.keyName),
          IamInstanceProfile: { Name: s(inputs.iamInstanceProfile) },
          Placement: { GroupName: inputs.placementGroup as string | undefined },
          UserData: Buffer.from(s(inputs.userData)).toString("base64"),
          InstanceInitiatedShutdownBehavior: s(
            inputs.instanceInitiatedShutdownBehavior,
          ) as ec2.ShutdownBehavior,
          MetadataOptions: {
            HttpEndpoint: s(metadata.httpEndpoint) as ec2.InstanceMetadataEndpointState,
            HttpTokens: s(metadata.httpTokens) as ec2.HttpTokensState,
            HttpPutResponseHopLimit: metadata.httpPutResponseHopLimit as number,
          },
          NetworkInterfaces: [
            {
              DeviceIndex: 0,
              DeleteOnTermination: true,
              SubnetId: s(inputs.subnetId),
              Groups: inputs.vpcSecurityGroupIds as string[],
              AssociatePublicIpAddress: inputs.associatePublicIpAddress as boolean,
            },
          ],
          BlockDeviceMappings: [
            {
              DeviceName: "/dev/xvda",
              Ebs: {
                VolumeType: s(root.volumeType) as ec2.VolumeType,
                VolumeSize: root.volumeSize as number,
                Encrypted: root.encrypted as boolean,
                DeleteOnTermination: root.deleteOnTermination as boolean,
              },
            },
          ],
          ...(spot && {
            InstanceMarketOptions: {
              MarketType: "spot" as const,
              SpotOptions: {
                SpotInstanceType: s(spot.spotInstanceType) as ec2.SpotInstanceType,
                InstanceInterruptionBehavior: s(
                  spot.instanceInterruptionBehavior,
                ) as ec2.InstanceInterruptionBehavior,
              },
            },
          }),
          TagSpecifications: [
            { ResourceType: "instance", Tags: tagList(inputs.tags) },
            { ResourceType: "volume", Tags: tagList(root.tags) },
          ],
        }),
      ),
    );
    const id = s(result.Instances?.[0]?.InstanceId);
    const made = await describeInstance(id);
    // moto's addresses belong to real hosts, to which nothing must connect.
    return { id, outputs: { publicIp: loopbackAddress(id), privateIp: s(made?.PrivateIpAddress) } };
  },
  async read(id) {
    return (await describeInstance(id)) ? {} : undefined;
  },
  async update(id, inputs) {
    await setTags(id, inputs);
    const volumes =
      (await describeInstance(id))?.BlockDeviceMappings?.map((device) => s(device.Ebs?.VolumeId)) ?? [];
    const { tags } = inputs.rootBlockDevice as Properties;
    if (volumes.length > 0)
      await client.send(new ec2.CreateTagsCommand({ Resources: volumes, Tags: tagList(tags) }));
  },
  async delete(id) {
    await unlessMissing(client.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] })));
  },
};

export const resourceTypes: Readonly<Record<string, ResourceType>> = {
  "aws:ec2/vpc:Vpc": {
    ...tagged,
    async create(inputs) {
      const { Vpc } = await run(
        "CreateVpc",
        client.send(
          new ec2.CreateVpcCommand({
            CidrBlock: s(inputs.cidrBlock),
            TagSpecifications: specification("vpc", inputs),
          }),
        ),
      );
      const id = s(Vpc?.VpcId);
      await client.send(
        new ec2.ModifyVpcAttributeCommand({ VpcId: id, EnableDnsHostnames: { Value: true } }),
      );
      return { id, outputs: {} };
    },
    read: (id) => found(client.send(new ec2.DescribeVpcsCommand({ VpcIds: [id] })), (result) => result.Vpcs),
    async delete(id) {
      await unlessMissing(run("DeleteVpc", client.send(new ec2.DeleteVpcCommand({ VpcId: id }))));
    },
  },
  "aws:ec2/subnet:Subnet": {
    ...tagged,
    async create(inputs) {
      const { Subnet } = await client.send(
        new ec2.CreateSubnetCommand({
          VpcId: s(inputs.vpcId),
          CidrBlock: s(inputs.cidrBlock),
          AvailabilityZone: s(inputs.availabilityZone),
          TagSpecifications: specification("subnet", inputs),
        }),
      );
      return { id: s(Subnet?.SubnetId), outputs: {} };
    },
    read: (id) =>
      found(client.send(new ec2.DescribeSubnetsCommand({ SubnetIds: [id] })), (result) => result.Subnets),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DeleteSubnetCommand({ SubnetId: id })));
    },
  },
  "aws:ec2/internetGateway:InternetGateway": {
    ...tagged,
    async create(inputs) {
      const { InternetGateway } = await client.send(
        new ec2.CreateInternetGatewayCommand({
          TagSpecifications: specification("internet-gateway", inputs),
        }),
      );
      const id = s(InternetGateway?.InternetGatewayId);
      await client.send(
        new ec2.AttachInternetGatewayCommand({ InternetGatewayId: id, VpcId: s(inputs.vpcId) }),
      );
      return { id, outputs: {} };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeInternetGatewaysCommand({ InternetGatewayIds: [id] })),
        (result) => result.InternetGateways,
      ),
    async delete(id, state) {
      await unlessMissing(
        client.send(new ec2.DetachInternetGatewayCommand({ InternetGatewayId: id, VpcId: s(state.vpcId) })),
      );
      await unlessMissing(client.send(new ec2.DeleteInternetGatewayCommand({ InternetGatewayId: id })));
    },
  },
  "aws:ec2/routeTable:RouteTable": {
    ...tagged,
    async create(inputs) {
      const { RouteTable } = await client.send(
        new ec2.CreateRouteTableCommand({
          VpcId: s(inputs.vpcId),
          TagSpecifications: specification("route-table", inputs),
        }),
      );
      return { id: s(RouteTable?.RouteTableId), outputs: {} };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeRouteTablesCommand({ RouteTableIds: [id] })),
        (result) => result.RouteTables,
      ),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DeleteRouteTableCommand({ RouteTableId: id })));
    },
  },
  "aws:ec2/route:Route": {
    updatable: [],
    async create(inputs, name) {
      await client.send(
        new ec2.CreateRouteCommand({
          RouteTableId: s(inputs.routeTableId),
          DestinationCidrBlock: s(inputs.destinationCidrBlock),
          GatewayId: s(inputs.gatewayId),
        }),
      );
      return { id: `${name}-${s(inputs.routeTableId)}`, outputs: {} };
    },
    read: () => Promise.resolve({}),
    async delete(_, state) {
      await unlessMissing(
        client.send(
          new ec2.DeleteRouteCommand({
            RouteTableId: s(state.routeTableId),
            DestinationCidrBlock: s(state.destinationCidrBlock),
          }),
        ),
      );
    },
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": {
    updatable: [],
    async create(inputs) {
      const { AssociationId } = await client.send(
        new ec2.AssociateRouteTableCommand({
          RouteTableId: s(inputs.routeTableId),
          SubnetId: s(inputs.subnetId),
        }),
      );
      return { id: s(AssociationId), outputs: {} };
    },
    read: () => Promise.resolve({}),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DisassociateRouteTableCommand({ AssociationId: id })));
    },
  },
  "aws:ec2/vpcEndpoint:VpcEndpoint": {
    ...tagged,
    async create(inputs) {
      const { VpcEndpoint } = await client.send(
        new ec2.CreateVpcEndpointCommand({
          VpcId: s(inputs.vpcId),
          ServiceName: s(inputs.serviceName),
          VpcEndpointType: "Gateway",
          RouteTableIds: inputs.routeTableIds as string[],
          TagSpecifications: specification("vpc-endpoint", inputs),
        }),
      );
      return { id: s(VpcEndpoint?.VpcEndpointId), outputs: {} };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeVpcEndpointsCommand({ VpcEndpointIds: [id] })),
        (result) => result.VpcEndpoints,
      ),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] })));
    },
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    ...tagged,
    async create(inputs, name) {
      const { GroupId } = await client.send(
        new ec2.CreateSecurityGroupCommand({
          GroupName: `${name}-${unique()}`,
          Description: s(inputs.description),
          VpcId: s(inputs.vpcId),
          TagSpecifications: specification("security-group", inputs),
        }),
      );
      // Like the real provider: removes the default rule of a new group.
      await client.send(
        new ec2.RevokeSecurityGroupEgressCommand({
          GroupId: s(GroupId),
          IpPermissions: [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
        }),
      );
      return { id: s(GroupId), outputs: {} };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeSecurityGroupsCommand({ GroupIds: [id] })),
        (result) => result.SecurityGroups,
      ),
    async delete(id) {
      await unlessMissing(
        run("DeleteSecurityGroup", client.send(new ec2.DeleteSecurityGroupCommand({ GroupId: id }))),
      );
    },
  },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule("ingress"),
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": rule("egress"),
  "aws:ec2/keyPair:KeyPair": {
    ...tagged,
    async update(_, inputs, state) {
      await setTags(s(state.keyPairId), inputs);
    },
    async create(inputs, name) {
      const { KeyName, KeyPairId } = await client.send(
        new ec2.ImportKeyPairCommand({
          KeyName: `${name}-${unique()}`,
          PublicKeyMaterial: Buffer.from(s(inputs.publicKey)),
          TagSpecifications: specification("key-pair", inputs),
        }),
      );
      return { id: s(KeyName), outputs: { keyName: s(KeyName), keyPairId: s(KeyPairId) } };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribeKeyPairsCommand(filter("key-name", id))),
        (result) => result.KeyPairs,
      ),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DeleteKeyPairCommand({ KeyName: id })));
    },
  },
  "aws:ec2/placementGroup:PlacementGroup": {
    ...tagged,
    async update(_, inputs, state) {
      await setTags(s(state.placementGroupId), inputs);
    },
    async create(inputs, name) {
      const group = `${name}-${unique()}`;
      await client.send(
        new ec2.CreatePlacementGroupCommand({
          GroupName: group,
          Strategy: "cluster",
          TagSpecifications: specification("placement-group", inputs),
        }),
      );
      const { PlacementGroups } = await client.send(
        new ec2.DescribePlacementGroupsCommand({ GroupNames: [group] }),
      );
      return { id: group, outputs: { name: group, placementGroupId: s(PlacementGroups?.[0]?.GroupId) } };
    },
    read: (id) =>
      found(
        client.send(new ec2.DescribePlacementGroupsCommand({ GroupNames: [id] })),
        (result) => result.PlacementGroups,
      ),
    async delete(id) {
      await unlessMissing(client.send(new ec2.DeletePlacementGroupCommand({ GroupName: id })));
    },
  },
  "aws:ec2/instance:Instance": instance,
};
