/**
 * Machines that cannot end themselves: user data that cloud-init cannot read, a timer that root has disabled, a kernel that hangs, a
 * clock that was set back. The clock outside ends each by the lab's deadline. Another machine works normally, and shows that the timer
 * would have ended the others long before. The machines are local VMs behind moto's instances (README.md).
 */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { execa } from "execa";
import { sshFolder } from "../../stacks/aws/access/sshFiles.ts";
import { Cloud, type Machines } from "./cloud.ts";
import { LocalMachines } from "./ec2/machines.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const stack = `deadman-${process.pid}`;
const aws = { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32", expiresAfter: "4h" };
const names = ["unread", "disabled", "hung", "late", "well"] as const;
const nodes = names.map((name, index) => ({
  name,
  roles: index === 0 ? ["meta", "objects", "client", "ray-head"] : ["client"],
}));
/** Seconds until the machines' own timers, and the time limit of a machine's shutdown. */
const timer = 30;
const shutdown = 120;

let cloud: Cloud;
let machines: LocalMachines;
let lab: LabProject;
let client: EC2Client;
let empty: string[];

/** The machines; the first gets truncated user data. */
async function firstUnread(...place: Parameters<typeof LocalMachines.make>): Promise<Machines> {
  machines = await LocalMachines.make(...place);
  return {
    start: async (request) => {
      const unread = /"hostname": *"unread"/.test(request.userData.toString());
      await machines.start(unread ? { ...request, userData: request.userData.subarray(0, 100) } : request);
    },
    stop: (id) => machines.stop(id),
    console: (id) => machines.console(id),
    close: () => machines.close(),
  };
}

beforeAll(async () => {
  cloud = await Cloud.start((place) => firstUnread(place, "installed"));
  lab = new LabProject(cloud);
  const credentials = { accessKeyId: "testing", secretAccessKey: "testing" };
  client = new EC2Client({ endpoint: cloud.env.AWS_ENDPOINT_URL, region: aws.region, credentials });
  empty = await cloud.listing();
}, 15 * minutes);
afterAll(async () => {
  await cloud.stop();
  lab.remove();
  rmSync(sshFolder(stack), { recursive: true, force: true });
}, 2 * minutes);

/** Runs a script on a machine with the stack's files for ssh. */
async function on(name: string, script: string): Promise<{ exitCode?: number | undefined; stderr: string }> {
  const options = ["-F", `${sshFolder(stack)}/config`, "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"];
  return await execa("ssh", [...options, name, "bash -s"], {
    input: `set -euo pipefail\n${script}\n`,
    reject: false,
  });
}

/** States of the machines according to AWS, in the order of their ids. */
async function states(ids: readonly string[]): Promise<(string | undefined)[]> {
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [...ids] }));
  const found = Reservations.flatMap(({ Instances = [] }) => Instances);
  return ids.map((id) => found.find(({ InstanceId }) => InstanceId === id)?.State?.Name);
}

it(
  "a lab on AWS is over at its deadline, whatever has happened to its machines",
  async () => {
    await lab.configure(stack, { aws, nodes });
    await lab.up();
    const { ids, targetFacts } = await lab.outputs<{ ids: string[]; targetFacts: { expires: string } }>();
    const idOf = (name: (typeof names)[number]): string => ids[names.indexOf(name)] ?? "";
    const ends = `sudo disgrafs-expire-at "$(($(date +%s) + ${timer}))"`;
    // Nobody can log in, because the key was in the user data.
    expect((await on("unread", "true")).stderr).toContain("Permission denied");
    const breakages = {
      disabled: `${ends}; sudo systemctl disable --now disgrafs-expiry.timer`,
      hung: ends,
      late: `${ends}; sudo date --set="-1 day" >/dev/null`,
      well: ends,
    };
    for (const [name, script] of Object.entries(breakages)) {
      // cloud-init may still be running.
      const ready = "sudo -n test -x /usr/local/sbin/disgrafs-expire-at";
      while ((await on(name, ready)).exitCode !== 0) await sleep(2000);
      expect(await on(name, script)).toMatchObject({ exitCode: 0 });
      if (name === "hung") machines.instance(idOf("hung")).hang();
    }

    const begin = Date.now();
    while (machines.ids.includes(idOf("well")) && Date.now() - begin < 10 * minutes) await sleep(500);
    await sleep((timer + shutdown) * 1000);
    const others = ids.filter((id) => id !== idOf("well"));
    expect(machines.ids.toSorted()).toEqual(others.toSorted());
    expect(await states([idOf("well")])).toEqual(["terminated"]);
    expect(await states(others)).toEqual(others.map(() => "running"));

    const deadline = Date.parse(targetFacts.expires) + 5 * minutes;
    expect(await cloud.advanceTo(new Date(deadline - 1000))).toEqual([]);
    const [execution = ""] = await cloud.advanceTo(new Date(deadline));
    while ((await cloud.execution(execution)) === "RUNNING") await sleep(500);
    expect(await cloud.execution(execution)).toBe("SUCCEEDED");
    await cloud.settled();
    expect(machines.ids).toEqual([]);
    expect(await states(ids)).toEqual(ids.map(() => "terminated"));

    await lab.destroy();
    expect(await cloud.listing()).toEqual(empty);
  },
  60 * minutes,
);
