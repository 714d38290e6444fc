/** The functions of @pulumi/aws that the program calls. */
import * as ec2 from "@aws-sdk/client-ec2";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import type { Properties } from "../../../plugins/command/wire.ts";

const client = new ec2.EC2Client({});
const parameters = new SSMClient({});

const filters = (inputs: Properties): ec2.Filter[] =>
  ((inputs.filters ?? []) as { name: string; values: string[] }[]).map(({ name, values }) => ({
    Name: name,
    Values: values,
  }));

export const functions: Readonly<Record<string, (inputs: Properties) => Promise<Properties>>> = {
  async "aws:ec2/getAmiIds:getAmiIds"(inputs) {
    const { Images = [] } = await client.send(
      new ec2.DescribeImagesCommand({ Owners: inputs.owners as string[], Filters: filters(inputs) }),
    );
    const newestFirst = Images.sort((a, b) => ((a.CreationDate ?? "") < (b.CreationDate ?? "") ? 1 : -1));
    return { ids: newestFirst.map((image) => image.ImageId ?? "") };
  },
  async "aws:ec2/getSubnet:getSubnet"(inputs) {
    const { Subnets } = await client.send(
      new ec2.DescribeSubnetsCommand({ SubnetIds: [inputs.id as string] }),
    );
    return { id: inputs.id ?? "", availabilityZone: Subnets?.[0]?.AvailabilityZone ?? "" };
  },
  async "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"(inputs) {
    const { InstanceTypeOfferings = [] } = await client.send(
      new ec2.DescribeInstanceTypeOfferingsCommand({
        LocationType: inputs.locationType as ec2.LocationType,
        Filters: filters(inputs),
      }),
    );
    return {
      instanceTypes: InstanceTypeOfferings.map((offer) => offer.InstanceType ?? ""),
      locations: InstanceTypeOfferings.map((offer) => offer.Location ?? ""),
    };
  },
  async "aws:ssm/getParameter:getParameter"(inputs) {
    const { Parameter } = await parameters.send(new GetParameterCommand({ Name: inputs.name as string }));
    return { value: Parameter?.Value ?? "" };
  },
};
