/** The AWS part of a lab as a separate program: settings from the stack's configuration, machines, outputs. */
import * as pulumi from "@pulumi/pulumi";
import { kernelNames, type Kernel } from "../../../provisioning/kernels.ts";
import { awsMachines, type AwsNode } from "../../../stacks/aws/index.ts";
import { awsSettings } from "../../../stacks/aws/settings.ts";

const config = new pulumi.Config("disgrafs-lab");
const kernel = kernelNames.find((name) => name === config.get("kernel")) ?? ("debian-13" satisfies Kernel);
const nodes = config.requireObject<AwsNode[]>("nodes");
const lab = awsMachines(
  { kernel, aws: awsSettings.parse(config.requireObject("aws")), cacheFolder: "/var/cache/juicefs" },
  nodes,
  "disgrafs",
);

const nodeOutputs = lab.machines.map(({ name, roles, sshCommand }) => ({
  name,
  roles,
  ssh: sshCommand,
  kernel,
}));

export const ids = lab.machines.map((machine) => machine.id);
export const targetFacts = lab.outputs;
export { nodeOutputs as nodes };
export const objectStore = lab.objectStore;
