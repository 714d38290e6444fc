/** The network of the machines: one subnet in one zone, a security group for traffic between them, and access by SSH. */
import * as aws from "../resources.ts";
import * as pulumi from "@pulumi/pulumi";
import { port, ports, type Port } from "../../../provisioning/ports.ts";
import type { AwsSettings } from "../settings.ts";
import type { Tagger } from "../tags.ts";

export interface NetworkArgs {
  readonly region: string;
  /** Zone of an own network's subnet. */
  readonly zone: pulumi.Input<string>;
  /** An existing network, used as it is. */
  readonly existing: AwsSettings["network"];
  /** Address range that may connect by SSH; undefined: none. */
  readonly sshCidr: string | undefined;
  readonly tags: Tagger;
}

/** Private addresses: a /16 that home and campus networks seldom use, to avoid clashes over a VPN. */
const vpcCidr = "10.77.0.0/16";
const subnetCidr = "10.77.0.0/20";

export class Network extends pulumi.ComponentResource {
  readonly subnetId: pulumi.Output<string>;
  /** The security group of all machines. */
  readonly securityGroupId: pulumi.Output<string>;
  /** Resources that must exist before a machine can reach the Internet. */
  readonly ready: pulumi.Resource[] = [];

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:aws:Network", name, {}, opts);
    const parent = { parent: this };
    const { vpcId, subnetId } = args.existing ?? this.own(name, args);
    this.subnetId = pulumi.output(subnetId);

    const group = new aws.SecurityGroup(
      `${name}-nodes`,
      { vpcId, description: "Nodes of a disgrafs lab", tags: args.tags("nodes") },
      parent,
    );
    this.securityGroupId = group.id;
    // Standalone rules only: rules inside the group's own resource and beside it undo each other at every `up`.
    const inside = [...sharedRanges(ports).map(tcp), { ipProtocol: "icmp", fromPort: -1, toPort: -1 }];
    for (const range of inside)
      this.ready.push(
        new aws.SecurityGroupIngressRule(
          `${name}-inside-${range.ipProtocol}-${range.fromPort}`,
          {
            securityGroupId: group.id,
            referencedSecurityGroupId: group.id,
            ...range,
            description: "From node to node",
            tags: args.tags("inside"),
          },
          parent,
        ),
      );
    this.ready.push(
      new aws.SecurityGroupEgressRule(
        `${name}-out`,
        {
          securityGroupId: group.id,
          cidrIpv4: "0.0.0.0/0",
          ipProtocol: "-1",
          description: "Packages, S3, AWS",
          tags: args.tags("out"),
        },
        parent,
      ),
    );
    if (args.sshCidr !== undefined)
      this.ready.push(
        new aws.SecurityGroupIngressRule(
          `${name}-ssh`,
          {
            securityGroupId: group.id,
            cidrIpv4: args.sshCidr,
            ipProtocol: "tcp",
            fromPort: port("ssh"),
            toPort: port("ssh"),
            description: "SSH from the settings' sshCidr",
            tags: args.tags("ssh"),
          },
          parent,
        ),
      );
    this.registerOutputs({ subnetId: this.subnetId, securityGroupId: this.securityGroupId });
  }

  /** A new network: VPC, one public subnet, an Internet gateway, and a free private endpoint for S3. */
  private own(
    name: string,
    args: NetworkArgs,
  ): { vpcId: pulumi.Output<string>; subnetId: pulumi.Output<string> } {
    const parent = { parent: this };
    const vpc = new aws.Vpc(
      `${name}-vpc`,
      { cidrBlock: vpcCidr, enableDnsSupport: true, enableDnsHostnames: true, tags: args.tags("vpc") },
      parent,
    );
    const subnet = new aws.Subnet(
      `${name}-subnet`,
      { vpcId: vpc.id, cidrBlock: subnetCidr, availabilityZone: args.zone, tags: args.tags("subnet") },
      parent,
    );
    const gateway = new aws.InternetGateway(
      `${name}-gateway`,
      { vpcId: vpc.id, tags: args.tags("gateway") },
      parent,
    );
    const table = new aws.RouteTable(`${name}-routes`, { vpcId: vpc.id, tags: args.tags("routes") }, parent);
    this.ready.push(
      new aws.Route(
        `${name}-default-route`,
        { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id },
        parent,
      ),
      new aws.RouteTableAssociation(
        `${name}-association`,
        { subnetId: subnet.id, routeTableId: table.id },
        parent,
      ),
      new aws.VpcEndpoint(
        `${name}-s3`,
        {
          vpcId: vpc.id,
          serviceName: `com.amazonaws.${args.region}.s3`,
          vpcEndpointType: "Gateway",
          routeTableIds: [table.id],
          tags: args.tags("s3"),
        },
        parent,
      ),
    );
    return { vpcId: vpc.id, subnetId: subnet.id };
  }
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** The port ranges that nodes use among themselves, merged if adjacent. SSH is not included: nodes do not log in to each other. */
export function sharedRanges(table: Readonly<Record<string, Port>>): Range[] {
  const wanted = Object.entries(table)
    .filter(([name, entry]) => entry.shared && name !== "ssh")
    .map(([, { first, last }]) => ({ first, last }))
    .sort((a, b) => a.first - b.first);
  const joined: { first: number; last: number }[] = [];
  for (const range of wanted) {
    const before = joined.at(-1);
    if (before && range.first <= before.last + 1) before.last = Math.max(before.last, range.last);
    else joined.push({ ...range });
  }
  return joined;
}

function tcp({ first, last }: Range) {
  return { ipProtocol: "tcp", fromPort: first, toPort: last };
}
