/** The current state of a lab's machines according to EC2, not to the last `up`. */
import * as ec2 from "@aws-sdk/client-ec2";
import { tagKeys } from "../tags.ts";

export interface MachineState {
  /** Node's name in the lab. */
  readonly node: string;
  /** State in EC2: running, stopped, terminated. */
  readonly state: string;
  /** Failed EC2 status check of a running machine; undefined if there is none, or before the first check. */
  readonly trouble: string | undefined;
}

/** The machines of one run, only the newest for each node. @throws AWS's error if EC2 cannot be queried */
export async function machineStates(region: string, stack: string, run: string): Promise<MachineState[]> {
  const client = new ec2.EC2Client({ region });
  const found = new Map<string, { readonly instance: ec2.Instance; readonly trouble: string | undefined }>();
  const Filters = [{ Name: `tag:${tagKeys.run}`, Values: [run] }];
  const health = new Map<string, string>();
  for await (const { InstanceStatuses = [] } of ec2.paginateDescribeInstanceStatus({ client }, { Filters }))
    for (const { InstanceId = "", InstanceStatus, SystemStatus } of InstanceStatuses) {
      if (InstanceStatus?.Status === "impaired") health.set(InstanceId, "does not answer EC2's check");
      if (SystemStatus?.Status === "impaired") health.set(InstanceId, "its host has a fault");
    }
  for await (const { Reservations = [] } of ec2.paginateDescribeInstances({ client }, { Filters }))
    for (const instance of Reservations.flatMap(({ Instances = [] }) => Instances)) {
      const name = instance.Tags?.find(({ Key }) => Key === "Name")?.Value ?? "?";
      const node = name.startsWith(`${stack}-`) ? name.slice(stack.length + 1) : name;
      const earlier = found.get(node)?.instance;
      if (earlier && launched(earlier) > launched(instance)) continue;
      found.set(node, { instance, trouble: health.get(instance.InstanceId ?? "") });
    }
  return [...found].map(([node, { instance, trouble }]) => ({
    node,
    state: instance.State?.Name ?? "unknown",
    trouble,
  }));
}

function launched({ LaunchTime }: ec2.Instance): number {
  return LaunchTime?.getTime() ?? 0;
}
