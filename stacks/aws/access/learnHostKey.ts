/**
 * Prints the host key of an EC2 machine from its console: `node learnHostKey.ts`, with the instance's id and region in
 * DISGRAFS_INSTANCE and DISGRAFS_REGION. Waits for the machine to boot, and exits at once if it no longer exists.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeInstancesCommand, EC2Client, GetConsoleOutputCommand } from "@aws-sdk/client-ec2";
import { hostKeyOf } from "./hostKeys.ts";

const id = process.env.DISGRAFS_INSTANCE ?? "";
const region = process.env.DISGRAFS_REGION ?? "";
if (id === "" || region === "")
  throw new Error("learnHostKey: DISGRAFS_INSTANCE and DISGRAFS_REGION must be set");
// cloud-init prints the keys when first boot's installation is over.
const waitSeconds = 1500;
const pollSeconds = 4;

const client = new EC2Client({ region });
const deadline = Date.now() + waitSeconds * 1000;
let key: string | undefined;
while (key === undefined) {
  const { Output } = await client.send(new GetConsoleOutputCommand({ InstanceId: id, Latest: true }));
  key = hostKeyOf(Buffer.from(Output ?? "", "base64").toString("utf8"));
  if (key !== undefined) break;
  const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const instance = Reservations?.[0]?.Instances?.[0];
  const state = instance?.State?.Name ?? "gone";
  if (!["pending", "running"].includes(state))
    fail(
      `${id} is ${state} (${instance?.StateReason?.Message ?? "no reason given"}): run the same command again`,
    );
  if (Date.now() > deadline)
    fail(
      `${id} has shown no SSH host key on its console for ${waitSeconds} s: look at it with ` +
        `aws ec2 get-console-output --latest --region ${region} --instance-id ${id}`,
    );
  await sleep(pollSeconds * 1000);
}
process.stdout.write(`${key}\n`);

function fail(message: string): never {
  process.stderr.write(`learnHostKey: ${message}\n`);
  process.exit(1);
}
