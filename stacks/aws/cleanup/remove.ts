/** Removes leftovers of labs on AWS, in the order that AWS requires. */
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as scheduler from "@aws-sdk/client-scheduler";
import * as sfn from "@aws-sdk/client-sfn";
import { emptyBucket } from "./emptyBucket.ts";
import type { Clients, Kind, Leftover } from "./leftovers.ts";

/**
 * Removes leftovers in order. A failure is reported and does not stop the rest; the caller then checks again what is left.
 * @returns one line for each failure
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
      if (/NotFound|NoSuch|DoesNotExist/.test(error instanceof Error ? error.name : "")) return;
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
    // A group that one of its own rules names cannot be removed before that rule.
    const { SecurityGroups } = await clients.ec2.send(
      new ec2.DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }),
    );
    const IpPermissions = SecurityGroups?.[0]?.IpPermissions ?? [];
    if (IpPermissions.length > 0)
      await clients.ec2.send(new ec2.RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    // Network interfaces disappear some seconds after their machines.
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
  // This also removes its schedules.
  "schedule-group": (clients, Name) =>
    clients.scheduler.send(new scheduler.DeleteScheduleGroupCommand({ Name })),
  "state-machine": (clients, stateMachineArn) =>
    clients.sfn.send(new sfn.DeleteStateMachineCommand({ stateMachineArn })),
  async bucket(clients, Bucket) {
    await emptyBucket(clients.s3, Bucket);
    await clients.s3.send(new s3.DeleteBucketCommand({ Bucket }));
  },
};

/** Retries for two minutes while AWS reports that the resource is still in use. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 120_000; ; await new Promise((resolve) => setTimeout(resolve, 5000)))
    try {
      return await call();
    } catch (error) {
      const inUse = error instanceof Error && /DependencyViolation|InUse/.test(error.name);
      if (!inUse || Date.now() > deadline) throw error;
    }
}
