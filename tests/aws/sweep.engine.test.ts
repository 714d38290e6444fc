/** `./lab sweep --aws` on moto, in an account with other tenants: it removes only the lab's own resources. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { execa } from "execa";
import { Cloud } from "./cloud.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;
const nodes = [{ name: "node1", roles: ["meta", "objects", "client", "ray-head"] }];
const aws = (owner: string) => ({ region: "us-east-1", owner, sshCidr: "203.0.113.7/32" });

let cloud: Cloud;
let lab: LabProject;
let empty: string[];

beforeAll(async () => {
  cloud = await Cloud.start();
  lab = new LabProject(cloud);
  empty = await cloud.listing();
}, 5 * minutes);
afterAll(async () => {
  await cloud.stop();
  lab.remove();
}, minutes);

// Asynchronous, because the proxy in front of moto is in this process and must answer meanwhile.
const sweep = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await execa(
    process.execPath,
    ["cli/main.ts", "sweep", "--aws", "--region", "us-east-1", ...args],
    {
      env: { ...lab.env, PULUMI_ACCESS_TOKEN: "" },
      reject: false,
      stripFinalNewline: false,
      timeout: 4 * minutes,
    },
  );
  return { status: exitCode, stdout, stderr };
};

/** A second tenant of the account: another program's user, whose resources have the tags of a lab. */
const options = () => ({
  endpoint: cloud.env.AWS_ENDPOINT_URL,
  region: "us-east-1",
  credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
});
const tags = (changes: Record<string, string>) =>
  Object.entries({
    "disgrafs:project": "disgrafs-lab",
    "disgrafs:stack": "lost",
    "disgrafs:owner": "eve",
    "disgrafs:run": "20260101T000000Z-eeee",
    "disgrafs:expires": "2026-01-01T04:00:00Z",
    ...changes,
  }).map(([Key, Value]) => ({ Key, Value }));
async function vpcOf(changes: Record<string, string>): Promise<string> {
  const { Vpc } = await new ec2.EC2Client(options()).send(
    new ec2.CreateVpcCommand({
      CidrBlock: "10.9.0.0/16",
      TagSpecifications: [{ ResourceType: "vpc", Tags: tags(changes) }],
    }),
  );
  return Vpc?.VpcId ?? "?";
}

describe("./lab sweep --aws", () => {
  it(
    "removes a lost stack by its run id, and nothing of tenants with the same stack name, owner or tags",
    async () => {
      const theirs = await vpcOf({});
      const anotherRun = await vpcOf({ "disgrafs:owner": "ada", "disgrafs:expires": "2099-01-01T00:00:00Z" });
      const endless = await vpcOf({ "disgrafs:owner": "ada", "disgrafs:expires": "" });
      const others = (await cloud.listing()).filter((id) => !empty.includes(id));
      expect(others).toEqual(expect.arrayContaining([theirs, anotherRun, endless]));
      await lab.configure("lost", { aws: aws("ada"), nodes });
      await lab.up();
      const { targetFacts } = await lab.outputs<{ targetFacts: { run: string } }>();
      rmSync(join(lab.folder, "state"), { recursive: true });

      // A lab without a readable end may be in use.
      const over = await sweep("--owner", "ada", "--yes");
      expect(over).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^1 things have no readable end/) as string,
      });
      expect(over.stdout).toMatch(/\n0 left in us-east-1\n$/);
      expect(await cloud.listing()).toEqual(expect.arrayContaining(others));

      // Without a state, the run id is unknown: the runs are listed, and none is selected, even with --yes.
      const shown = await sweep("--stack", "lost", "--owner", "ada", "--yes");
      expect(shown.status).toBe(1);
      expect(shown.stdout).toMatch(/^KIND +ID +STACK +OWNER +RUN +EXPIRES\ninstance +i-/);
      expect(shown.stdout).toContain(`./lab sweep --aws --stack lost --run ${targetFacts.run}\n`);
      expect(shown.stdout).not.toContain(theirs);

      const swept = await sweep("--stack", "lost", "--owner", "ada", "--run", targetFacts.run, "--yes");
      expect(swept).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/\n0 left in us-east-1\n$/) as string,
      });
      expect(await cloud.listing()).toEqual([...empty, ...others].sort());

      // Everyone: lists the owners first, and refuses --yes.
      const refused = await sweep("--everyone", "--yes");
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain("--yes requires named owners");
      const everyone = await sweep("--everyone", "--dry-run");
      expect(everyone.stdout).toMatch(/OWNER +THINGS +STACKS\neve +\d+ +lost\n\nKIND/);
      expect((await sweep("--owner", "eve", "--yes")).status).toBe(0);
      expect(await cloud.listing()).not.toContain(theirs);
      expect(await cloud.listing()).toEqual(expect.arrayContaining([anotherRun, endless]));
    },
    6 * minutes,
  );

  it(
    "continues after resources that it may not read or that have just gone, names them, and does not claim that nothing is left",
    async () => {
      const mine = await vpcOf({ "disgrafs:owner": "ada" });
      const buckets = new s3.S3Client({ ...options(), forcePathStyle: true });
      await buckets.send(new s3.CreateBucketCommand({ Bucket: "disgrafs-foreign" }));
      const identities = new iam.IAMClient(options());
      await identities.send(
        new iam.CreateRoleCommand({ RoleName: "gone", Path: "/disgrafs/", AssumeRolePolicyDocument: "{}" }),
      );
      const fault = (action: string, status: number, code: string) =>
        cloud.faults.push({ action, status, code, message: "no", times: 99 });
      fault("GET /disgrafs-foreign/?tagging=", 403, "AccessDenied");
      fault("ListRoleTags", 404, "NoSuchEntity");
      fault("DescribeKeyPairs", 403, "UnauthorizedOperation");
      const { status, stdout } = await sweep("--owner", "ada", "--yes");
      cloud.faults.length = 0;
      expect(await cloud.listing()).not.toContain(mine);
      expect(status).toBe(1);
      expect(stdout).toMatch(/could not be looked at: key pairs: UnauthorizedOperation: no/);
      expect(stdout).toMatch(/could not be looked at: bucket disgrafs-foreign: AccessDenied: no/);
      expect(stdout).not.toMatch(/role gone/);
      expect(stdout).toMatch(/\n0 left in us-east-1, and 2 could not be looked at\n$/);
      await identities.send(new iam.DeleteRoleCommand({ RoleName: "gone" }));
      await buckets.send(new s3.DeleteBucketCommand({ Bucket: "disgrafs-foreign" }));
    },
    4 * minutes,
  );

  it(
    "of a stack removes the run in its state, and not another with the same name and owner",
    async () => {
      const before = await cloud.listing();
      mkdirSync(join(lab.folder, "state"));
      await lab.configure("mine", { aws: aws("ada"), nodes });
      await lab.up();
      const twin = await vpcOf({ "disgrafs:stack": "mine", "disgrafs:owner": "ada" });
      const { exitCode, text } = await lab.lab("mine", "sweep");
      expect(exitCode === 0 ? "" : text).toBe("");
      expect((await cloud.listing()).filter((id) => !before.includes(id))).toContain(twin);
      expect((await cloud.listing()).filter((id) => !before.includes(id) && id.startsWith("i-"))).toEqual([]);
    },
    6 * minutes,
  );
});
