/** A lab on AWS, with the real engine and moto: up, up again, changes, replacements, failures, down. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  DescribeInstancesCommand,
  EC2Client,
  TerminateInstancesCommand,
  type Instance,
} from "@aws-sdk/client-ec2";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { awsFailure } from "../../stacks/aws/advice.ts";
import { clientsFor, findLeftovers } from "../../stacks/aws/cleanup/leftovers.ts";
import { remove } from "../../stacks/aws/cleanup/remove.ts";
import { select } from "../../stacks/aws/cleanup/selection.ts";
import { Cloud, hostKeyFor } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const aws = { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32" };
const nodes = [
  { name: "meta", roles: ["meta", "objects"] },
  { name: "node1", roles: ["client", "ray-head"] },
];

let cloud: Cloud;
let lab: LabProject;
let client: EC2Client;
let empty: string[];

beforeAll(async () => {
  cloud = await Cloud.start();
  lab = new LabProject(cloud);
  client = new EC2Client({ endpoint: cloud.env.AWS_ENDPOINT_URL, region: "us-east-1", credentials });
  empty = await cloud.listing();
  // For this process's own calls to AWS.
  Object.assign(process.env, cloud.env);
}, 5 * minutes);
const credentials = { accessKeyId: "testing", secretAccessKey: "testing" };

afterAll(async () => {
  await cloud.stop();
  lab.remove();
}, minutes);

/** The existing machines, by their names in the lab. */
async function machines(): Promise<Record<string, Instance>> {
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({}));
  const living = Reservations.flatMap(({ Instances = [] }) => Instances).filter(
    ({ State }) => State?.Name === "running",
  );
  const nameOf = ({ Tags = [] }: Instance) => Tags.find(({ Key }) => Key === "Name")?.Value ?? "?";
  return Object.fromEntries(living.map((instance) => [nameOf(instance), instance]));
}

/** An update's summary: "2 created", "1 updated", "46 unchanged". */
function summary(text: string): string[] {
  return [...text.matchAll(/^\s+[+\-~]*\s*(\d+ (?:created|updated|deleted|replaced|unchanged))$/gm)].map(
    (match) => match[1] ?? "",
  );
}

describe("a lab on AWS", () => {
  it(
    "shows its price at a preview, before anything is created",
    async () => {
      await lab.configure("test", { aws, nodes });
      const text = await lab.succeed("preview", "--stack", "test");
      expect(text).toMatch(/currency\s*: "USD"\s+perHour\s*: 0\.\d+/);
      expect(await cloud.listing()).toEqual(empty);
    },
    3 * minutes,
  );

  it(
    "comes up, with machines as in the settings and the host keys from their consoles",
    async () => {
      await lab.up();
      const found = await machines();
      expect(Object.keys(found).sort()).toEqual(["test-meta", "test-node1"]);
      const node1 = found["test-node1"]!;
      expect(node1).toMatchObject({
        ImageId: "ami-00000000000000011",
        InstanceType: "m6id.large",
        MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
      });
      expect(Object.fromEntries(node1.Tags!.map(({ Key, Value }) => [Key, Value]))).toMatchObject({
        "disgrafs:project": "disgrafs-lab",
        "disgrafs:stack": "test",
        "disgrafs:owner": "ada",
      });
      const steps = lab.remoteCalls().map(({ name }) => name);
      expect([...steps].sort()).toEqual([
        "meta-expiry",
        "meta-first-boot",
        "node1-expiry",
        "node1-first-boot",
        "node1-instance-store",
      ]);
      // On each machine, the step for first boot precedes all others.
      expect(steps.indexOf("node1-first-boot")).toBeLessThan(steps.indexOf("node1-instance-store"));
      const { targetFacts } = await lab.outputs<{ targetFacts: Record<string, unknown> }>();
      expect(targetFacts).toMatchObject({
        zone: "us-east-1a",
        images: { "debian-13": "ami-00000000000000011" },
      });
      expect(targetFacts.costEstimate).toMatchObject({ perHour: expect.any(Number) as number });
    },
    5 * minutes,
  );

  it(
    "keeps the host key of each machine, and no secret in plain text",
    async () => {
      const { text } = await lab.pulumi("stack", "export");
      const { node1 } = { node1: (await machines())["test-node1"]!.InstanceId! };
      expect(text).not.toContain("PRIVATE KEY");
      const secrets = (await lab.pulumi("stack", "export", "--show-secrets")).text;
      expect(secrets).toContain("PRIVATE KEY");
      expect(secrets).toContain(hostKeyFor(node1));
    },
    2 * minutes,
  );

  it(
    "changes nothing at a second up, although there are newer images and the time has changed",
    async () => {
      await lab.up("--expect-no-changes");
      expect(lab.remoteCalls()).toEqual([]);
    },
    3 * minutes,
  );

  it(
    "changes nothing after a refresh",
    async () => {
      await lab.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes");
      await lab.up("--expect-no-changes");
    },
    3 * minutes,
  );

  it(
    "is extended by ./lab extend: tags and timers change, and no machine is replaced",
    async () => {
      const before = await machines();
      const asked = Date.now();
      const { exitCode, text } = await lab.lab("test", "extend", "9h");
      expect(exitCode === 0 ? "" : text).toBe("");
      const done = Date.now();
      const after = await machines();
      expect(after["test-meta"]?.InstanceId).toBe(before["test-meta"]?.InstanceId);
      const tags = (instance: Instance | undefined) =>
        Object.fromEntries((instance?.Tags ?? []).map(({ Key, Value }) => [Key, Value])) as Record<
          string,
          string
        >;
      const { "disgrafs:expires": expires = "" } = tags(after["test-meta"]);
      // In whole minutes after the stack's beginning, and never less than requested.
      const longer = Date.parse(expires) - asked - 9 * 3_600_000;
      expect(longer).toBeGreaterThanOrEqual(-1000);
      expect(longer).toBeLessThan(done - asked + minutes);
      expect(text).toContain(`stack test now expires at ${new Date(expires).toISOString()}`);
      const { targetFacts } = await lab.outputs<{ targetFacts: { expires: string } }>();
      expect(targetFacts.expires).toBe(expires);
      // The clock outside has the same time.
      expect(await cloud.advanceTo(new Date(Date.parse(expires)))).toEqual([]);
      const steps = lab.remoteCalls();
      expect(steps.map(({ name, operation }) => `${operation} ${name}`).sort()).toEqual([
        "update meta-expiry",
        "update node1-expiry",
      ]);
      // The step sets the machine's timer to the same time.
      for (const { stdin } of steps) expect(stdin).toMatch(new RegExp(`^run ${expires} </dev/null$`, "m"));
    },
    4 * minutes,
  );

  it(
    "is not extended to an earlier end",
    async () => {
      const { exitCode, text } = await lab.lab("test", "extend", "1h");
      expect(exitCode).not.toBe(0);
      expect(text).toMatch(/this lab already expires at .*, which is later than 1h from now/);
      expect(lab.remoteCalls()).toEqual([]);
    },
    4 * minutes,
  );

  it(
    "replaces a machine whose type changed, and provisions the new one",
    async () => {
      const before = await machines();
      const { aws: extended } = await lab.settings("test");
      await lab.configure("test", {
        aws: { ...(extended as object), instanceTypes: { client: "m6id.xlarge" } },
        nodes,
      });
      const text = await lab.up();
      const after = await machines();
      expect(after["test-node1"]?.InstanceType).toBe("m6id.xlarge");
      expect(after["test-node1"]?.InstanceId).not.toBe(before["test-node1"]?.InstanceId);
      expect(after["test-meta"]?.InstanceId).toBe(before["test-meta"]?.InstanceId);
      expect(Object.keys(after)).toHaveLength(2);
      expect(summary(text)).toContain("5 replaced");
      const created = lab.remoteCalls().filter(({ operation }) => operation === "create");
      expect(created.map(({ name }) => name).sort()).toEqual([
        "node1-expiry",
        "node1-first-boot",
        "node1-instance-store",
      ]);
    },
    4 * minutes,
  );

  it(
    "creates a machine again that was terminated by others",
    async () => {
      const { "test-node1": gone, "test-meta": meta } = await machines();
      await client.send(new TerminateInstancesCommand({ InstanceIds: [gone!.InstanceId!] }));
      await lab.up("--refresh");
      const after = await machines();
      expect(Object.keys(after).sort()).toEqual(["test-meta", "test-node1"]);
      expect(after["test-meta"]?.InstanceId).toBe(meta?.InstanceId);
      expect(lab.remoteCalls().map(({ name }) => name)).toContain("node1-first-boot");
    },
    4 * minutes,
  );

  it(
    "is removed completely, with the contents of its bucket",
    async () => {
      const { objectStore } = await lab.outputs<{ objectStore: { bucket: string } }>();
      const bucket = new S3Client({
        endpoint: cloud.env.AWS_ENDPOINT_URL,
        region: "us-east-1",
        forcePathStyle: true,
        credentials,
      });
      await bucket.send(
        new PutObjectCommand({ Bucket: objectStore.bucket, Key: "disgrafs/chunks/0", Body: "data" }),
      );
      await lab.destroy();
      expect(await cloud.listing()).toEqual(empty);
      // There are no steps on a machine that is removed.
      expect(lab.remoteCalls()).toEqual([]);
    },
    4 * minutes,
  );

  it(
    "keeps only the bucket if the settings say so",
    async () => {
      await lab.configure("keep", { aws: { ...aws, keepData: true }, nodes: nodes.slice(1) });
      await lab.up();
      const { objectStore } = await lab.outputs<{ objectStore: { bucket: string } }>();
      await lab.destroy();
      expect(await cloud.listing()).toEqual([...empty, objectStore.bucket].sort());
    },
    5 * minutes,
  );

  it(
    "comes up after an up that was killed while creating machines, and is then removed completely",
    async () => {
      const before = await cloud.listing();
      await lab.configure("killed", { aws, nodes });
      cloud.calls.length = 0;
      cloud.held.add("RunInstances");
      const broken = lab.start("up", "--yes", "--skip-preview");
      while (!cloud.calls.includes("RunInstances")) {
        if (broken.exitCode !== null) throw new Error((await broken).all);
        await sleep(200);
      }
      broken.kill("SIGKILL");
      await broken;
      cloud.held.delete("RunInstances");
      // Nobody gets the answers to the held calls: AWS has created machines that are in no state.
      await cloud.settled();
      await lab.pulumi("cancel", "--yes", "--stack", "killed");
      await lab.succeed("refresh", "--yes", "--skip-preview", "--clear-pending-creates");
      await lab.up();
      expect(Object.keys(await machines()).sort()).toEqual(["killed-meta", "killed-node1"]);
      const { targetFacts } = await lab.outputs<{ targetFacts: { run: string } }>();
      await lab.destroy();
      // Machines that are in no state may be left, with their resources; a sweep finds them by their tags.
      const left = (await cloud.listing()).filter((id) => !before.includes(id));
      const clients = clientsFor("us-east-1");
      const { found: all, unseen } = await findLeftovers(clients);
      expect(unseen).toEqual([]);
      const { run } = targetFacts;
      const found = select(all, { owners: ["ada"], stack: "killed", run, now: new Date(), withData: false });
      expect(found.length > 0).toBe(left.length > 0);
      expect(await remove(clients, found, () => undefined)).toEqual([]);
      expect(await cloud.listing()).toEqual(before);
    },
    8 * minutes,
  );
});

describe("errors of AWS", () => {
  it.each([
    [
      "InsufficientInstanceCapacity",
      500,
      "We currently do not have sufficient m6id.large capacity",
      "capacity",
    ],
    [
      "VcpuLimitExceeded",
      400,
      "You have requested more vCPU capacity than your current vCPU limit of 5",
      "quota",
    ],
  ])(
    "of kind %s make ./lab up fail with AWS's code and advice, and the next up continues",
    async (code, status, words, kind) => {
      await lab.configure("fault", { aws, nodes: nodes.slice(1) });
      cloud.faults.push({ action: "RunInstances", code, message: words, status, times: 3 });
      const { exitCode, text } = await lab.lab("fault", "up");
      cloud.faults.length = 0;
      expect(exitCode).not.toBe(0);
      const failure = awsFailure(text);
      expect(failure).toMatchObject({ code, kind });
      // The last line of the output, after Pulumi's.
      expect(text.trimEnd().split("\n").at(-1)).toBe(
        `lab: AWS says ${code}. ${failure?.advice} Then run the same command again.`,
      );
      await lab.up();
      expect(Object.keys(await machines())).toEqual(["fault-node1"]);
      await lab.destroy();
    },
    6 * minutes,
  );
});
