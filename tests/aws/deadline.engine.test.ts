/** The clock outside the machines, on moto, which runs the scheduled state machine that calls EC2. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { Cloud } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const aws = { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32" };
const nodes = [{ name: "node1", roles: ["meta", "objects", "client", "ray-head"] }];

let cloud: Cloud;
let lab: LabProject;
let client: EC2Client;
let empty: string[];

beforeAll(async () => {
  cloud = await Cloud.start();
  lab = new LabProject(cloud);
  const credentials = { accessKeyId: "testing", secretAccessKey: "testing" };
  client = new EC2Client({ endpoint: cloud.env.AWS_ENDPOINT_URL, region: "us-east-1", credentials });
  empty = await cloud.listing();
}, 5 * minutes);
afterAll(async () => {
  await cloud.stop();
  lab.remove();
}, minutes);

describe("a lab on AWS", () => {
  it(
    "is terminated from outside at its deadline, and a machine of another tenant is not",
    async () => {
      await lab.configure("ends", { aws, nodes });
      cloud.calls.length = 0;
      await lab.up();
      // The end is scheduled before there is a machine.
      expect(cloud.calls.indexOf("CreateSchedule")).toBeGreaterThan(-1);
      expect(cloud.calls.indexOf("CreateSchedule")).toBeLessThan(cloud.calls.indexOf("RunInstances"));
      const { targetFacts } = await lab.outputs<{
        targetFacts: { created: string; expires: string; run: string };
      }>();
      const twin = await client.send(
        new RunInstancesCommand({
          ...{ ImageId: "ami-00000000000000011", InstanceType: "m6i.large", MinCount: 1, MaxCount: 1 },
          TagSpecifications: [
            {
              ResourceType: "instance",
              Tags: Object.entries({
                Name: "ends-node1",
                "disgrafs:project": "disgrafs-lab",
                "disgrafs:stack": "ends",
                "disgrafs:owner": "ada",
                "disgrafs:run": "20260101T000000Z-eeee",
                "disgrafs:expires": targetFacts.expires,
              }).map(([Key, Value]) => ({ Key, Value })),
            },
          ],
        }),
      );
      const mine = async () => {
        const Filters = [{ Name: "tag:disgrafs:run", Values: [targetFacts.run] }];
        const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ Filters }));
        return Reservations.flatMap(({ Instances = [] }) => Instances).map(({ State }) => State?.Name);
      };
      const deadline = Date.parse(targetFacts.expires) + 5 * minutes;
      expect(await cloud.advanceTo(new Date(deadline - 1000))).toEqual([]);
      expect(await mine()).toEqual(["running"]);
      expect((await lab.lab("ends", "status")).text).toMatch(/^node1 +running +meta/m);
      const [execution = ""] = await cloud.advanceTo(new Date(deadline));
      while ((await cloud.execution(execution)) === "RUNNING") await sleep(500);
      expect(await cloud.execution(execution)).toBe("SUCCEEDED");
      expect(await mine()).toEqual(["terminated"]);
      const [{ InstanceId = "" } = {}] = twin.Instances ?? [];
      const after = await client.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
      expect(after.Reservations?.[0]?.Instances?.[0]?.State?.Name).toBe("running");
      const shown = await lab.lab("ends", "status");
      expect(shown.text).toMatch(/^node1 +not running \(terminated\) /m);
      expect(shown.exitCode).toBe(1);
      await client.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }));

      // As if it had begun long ago: another up creates nothing and gives advice.
      const state = await lab.succeed("stack", "export");
      const began = new RegExp(targetFacts.created, "g");
      writeFileSync(join(lab.folder, "old.json"), state.replace(began, "2026-01-01T00:00:00Z"));
      await lab.succeed("stack", "import", "--file", "old.json");
      cloud.calls.length = 0;
      const refused = await lab.lab("ends", "up");
      expect(refused.exitCode).not.toBe(0);
      expect(refused.text).toMatch(
        /this lab expired at 2026-01-01T04:00:00Z: .* \.\/lab down --stack ends, then \.\/lab up --stack ends/,
      );
      expect(cloud.calls).not.toContain("RunInstances");
      await lab.destroy();
      // moto does not remove the other tenant's network card.
      const left = (await cloud.listing()).filter((id) => !empty.includes(id) && !id.startsWith("eni-"));
      expect(left).toEqual([]);
    },
    12 * minutes,
  );
});
