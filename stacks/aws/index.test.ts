import { jest } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { settled } from "../../tests/support/graph.ts";

interface Made {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}
interface Asked {
  readonly token: string;
  readonly inputs: Record<string, unknown>;
}
let made: Made[] = [];
let asked: Asked[] = [];
/** Ids that the stack's Stashes keep, and images that AWS still has. */
let images = ["ami-00000000000000001"];

const keyOutput =
  "-----BEGIN OPENSSH PRIVATE KEY-----\nQUFBQQ==\n-----END OPENSSH PRIVATE KEY-----\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKEY disgrafs-lab\n";

await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs }) => {
      made.push({ type, name, inputs: inputs as Record<string, unknown> });
      const id = `${name}-id`;
      const state = { ...(inputs as Record<string, unknown>) };
      if (type === "pulumi:index:Stash") state.output = (inputs as { input: unknown }).input;
      if (type === "command:local:Command")
        state.stdout = name === "ssh-key" ? keyOutput : "ssh-ed25519 AAAAhost";
      if (type === "command:remote:Command") state.stdout = "";
      if (type === "aws:ec2/instance:Instance")
        Object.assign(state, { publicIp: "198.51.100.1", privateIp: "10.77.0.10" });
      if (type === "aws:s3/bucket:Bucket")
        Object.assign(state, { bucket: "disgrafs-test-2026", arn: "arn:aws:s3:::disgrafs-test-2026" });
      if (type.startsWith("aws:iam/"))
        Object.assign(state, { name: `${name}-1`, arn: `arn:aws:iam::1:${name}` });
      if (type === "aws:scheduler/scheduleGroup:ScheduleGroup") state.name = `${name}-1`;
      if (type === "aws:sfn/stateMachine:StateMachine")
        state.arn = "arn:aws:states:eu-central-1:1:terminator";
      if (type === "aws:ec2/placementGroup:PlacementGroup") state.name = `${name}-1`;
      if (type === "aws:ec2/keyPair:KeyPair") state.keyName = `${name}-1`;
      return { id, state };
    },
    call: ({ token, inputs }) => {
      asked.push({ token, inputs: inputs as Record<string, unknown> });
      if (token === "aws:ec2/getAmiIds:getAmiIds") return { ids: images };
      if (token === "aws:ssm/getParameter:getParameter") return { value: "ami-00000000000000009" };
      if (token === "aws:ec2/getSubnet:getSubnet") return { availabilityZone: "eu-central-1b" };
      if (token === "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings")
        return {
          instanceTypes: ["m6i.large", "m6i.large", "m6id.large"],
          locations: ["eu-central-1a", "eu-central-1b", "eu-central-1b"],
        };
      throw new Error(`nobody expected ${token}`);
    },
  },
  "disgrafs-lab",
  "test",
);

const { awsMachines, awsNodes, bucketPrefix, firstZone, instanceTypeOf } = await import("./index.ts");
const { awsSettings, defaultInstanceTypes } = await import("./settings.ts");
const { roles } = await import("../../provisioning/machine.ts");
const { portClashes } = await import("../../provisioning/ports.ts");

const minimal = { region: "eu-central-1", owner: "ada", sshCidr: "203.0.113.7/32" };
const single = [{ name: "node1", roles: ["meta", "objects", "client", "ray-head"] as const }];
const course = [
  { name: "meta", roles: ["meta", "objects"] as const },
  { name: "node1", roles: ["client", "ray-head"] as const },
  { name: "node2", roles: ["client", "ray-worker"] as const },
];

async function value<T>(output: pulumi.Output<T>): Promise<T> {
  return await new Promise((resolve) => output.apply(resolve));
}

type Nodes = Parameters<typeof awsMachines>[1];
type LabKernel = "debian-13" | "amazon-linux-2023";
interface Built {
  readonly lab: ReturnType<typeof awsMachines>;
  readonly made: Made[];
  readonly asked: Asked[];
}
const builds = new Map<string, Built>();

/** Builds a lab; `made` and `asked` then have its resources and calls. The same arguments give the same lab. */
async function build(nodes: Nodes, change: object = {}, kernel: LabKernel = "debian-13") {
  const key = JSON.stringify([nodes, change, kernel]);
  let built = builds.get(key);
  if (!built) {
    made = [];
    asked = [];
    // Pulumi takes a stack trace for each promise, which jest maps to sources; that takes most of this file's time.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      const lab = awsMachines(
        { kernel, aws: awsSettings.parse({ ...minimal, ...change }), cacheFolder: "/var/cache/juicefs" },
        nodes,
        "disgrafs",
      );
      await value(pulumi.all(lab.machines.map((machine) => machine.connection)));
      await value(pulumi.all([lab.objectStore.url, lab.outputs.expires, lab.outputs.zone]));
      // Resources that nothing waits for (rules, expiry steps) are created in later turns of the event loop.
      await settled(() => made.length);
      built = { lab, made, asked };
    } finally {
      Error.stackTraceLimit = limit;
    }
    builds.set(key, built);
  }
  ({ made, asked } = built);
  return built.lab;
}

/** Number of resources of each type. */
function counts(): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { type } of made) result[type] = (result[type] ?? 0) + 1;
  return result;
}

function named(name: string): Made["inputs"] {
  const found = made.filter((each) => each.name === name);
  expect(found).toHaveLength(1);
  return found[0]!.inputs;
}

function only(type: string): Made["inputs"] {
  const found = made.filter((each) => each.type === type);
  expect(found).toHaveLength(1);
  return found[0]!.inputs;
}

/** Inputs of a provider are JSON. */
const allowedAccounts = (): unknown =>
  JSON.parse((only("pulumi:providers:aws").allowedAccountIds as string | undefined) ?? "null");

it("creates nothing in an account other than aws.accountId, if that is set", async () => {
  await build(single, { accountId: "123456789012" });
  expect(allowedAccounts()).toEqual(["123456789012"]);
  await build(single);
  expect(allowedAccounts()).toBeNull();
});

const ofNetwork = {
  "aws:ec2/vpc:Vpc": 1,
  "aws:ec2/subnet:Subnet": 1,
  "aws:ec2/internetGateway:InternetGateway": 1,
  "aws:ec2/routeTable:RouteTable": 1,
  "aws:ec2/route:Route": 1,
  "aws:ec2/routeTableAssociation:RouteTableAssociation": 1,
  "aws:ec2/vpcEndpoint:VpcEndpoint": 1,
};
const ofLab = {
  "pulumi:providers:aws": 1,
  "disgrafs:aws:Network": 1,
  "disgrafs:aws:Storage": 1,
  "aws:ec2/securityGroup:SecurityGroup": 1,
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": 1,
  "aws:s3/bucket:Bucket": 1,
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": 1,
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": 1,
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": 1,
  // Of the machines, and of the clock outside them.
  "aws:iam/role:Role": 2,
  "aws:iam/rolePolicy:RolePolicy": 2,
  "disgrafs:aws:Deadline": 1,
  "aws:scheduler/scheduleGroup:ScheduleGroup": 1,
  "aws:scheduler/schedule:Schedule": 1,
  "aws:sfn/stateMachine:StateMachine": 1,
  "aws:iam/instanceProfile:InstanceProfile": 1,
  "aws:ec2/keyPair:KeyPair": 1,
};
const ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const machine = "aws:ec2/instance:Instance";
// From provisioning/ports.ts: 6379-6386, 8333, 9090, 9100, 9121, 9436, 9567, 20000-20199, joined; and ICMP, and SSH.
const insideRules = () =>
  made.filter(({ type, inputs }) => type === ingress && "referencedSecurityGroupId" in inputs).length;

describe("the graph", () => {
  it("of the course topology has three machines, its own network, and one of everything else", async () => {
    await build(course);
    expect(counts()).toEqual({
      ...ofNetwork,
      ...ofLab,
      "pulumi:index:Stash": 5,
      "aws:ec2/placementGroup:PlacementGroup": 1,
      [ingress]: insideRules() + 1,
      "disgrafs:aws:Instance": 3,
      [machine]: 3,
      // The lab's key, a host key for each machine, the files for ssh.
      "command:local:Command": 5,
      // First boot and expiry on each, the instance store on two clients.
      "disgrafs:provisioning:RemoteStep": 8,
      "command:remote:Command": 8,
    });
  });

  it("of the single topology has one machine", async () => {
    await build(single);
    expect(counts()).toMatchObject({
      [machine]: 1,
      "disgrafs:provisioning:RemoteStep": 3,
      "command:local:Command": 3,
    });
  });

  it("of a custom topology leaves out a node that is only for objects", async () => {
    await build([...course, { name: "s3", roles: ["objects"] }]);
    expect(made.filter(({ type }) => type === machine).map(({ name }) => name)).toEqual([
      "meta",
      "node1",
      "node2",
    ]);
  });

  it("in an existing network creates no network, and looks up its zone", async () => {
    const network = { vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" };
    await build(course, { network });
    for (const type of Object.keys(ofNetwork)) expect(counts()[type]).toBeUndefined();
    expect(only("aws:ec2/securityGroup:SecurityGroup").vpcId).toBe(network.vpcId);
    expect(made.find(({ type }) => type === machine)?.inputs.subnetId).toBe(network.subnetId);
    expect(asked.map(({ token }) => token)).toContain("aws:ec2/getSubnet:getSubnet");
  });

  it("without a placement group has none", async () => {
    await build(single, { placementGroup: false });
    expect(counts()["aws:ec2/placementGroup:PlacementGroup"]).toBeUndefined();
    expect(only(machine).placementGroup).toBeUndefined();
  });
});

describe("a machine", () => {
  it("terminates on shutdown, has an encrypted disk, and requires IMDSv2", async () => {
    await build(single);
    const { userData, tags, rootBlockDevice, ...inputs } = only(machine) as Record<string, unknown> & {
      userData: string;
    };
    expect(inputs).toEqual({
      ami: "ami-00000000000000001",
      instanceType: "m6i.large",
      subnetId: "network-subnet-id",
      vpcSecurityGroupIds: ["network-nodes-id"],
      associatePublicIpAddress: true,
      keyName: "key-1",
      iamInstanceProfile: "storage-profile-1",
      placementGroup: "group-1",
      userDataReplaceOnChange: true,
      instanceInitiatedShutdownBehavior: "terminate",
      metadataOptions: {
        httpEndpoint: "enabled",
        httpTokens: "required",
        httpPutResponseHopLimit: 1,
        instanceMetadataTags: "disabled",
      },
    });
    expect(rootBlockDevice).toEqual({
      volumeType: "gp3",
      volumeSize: 30,
      encrypted: true,
      deleteOnTermination: true,
      tags,
    });
    expect(userData).not.toContain("PRIVATE KEY");
  });

  it("is sized by its most demanding role", async () => {
    await build(course);
    expect(made.filter(({ type }) => type === machine).map(({ inputs }) => inputs.instanceType)).toEqual([
      "m6i.large",
      "m6id.large",
      "m6id.large",
    ]);
  });

  it("as spot is requested once and is terminated when interrupted", async () => {
    await build(single, { spot: true });
    expect(only(machine).instanceMarketOptions).toEqual({
      marketType: "spot",
      spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "terminate" },
    });
  });

  it("has a secret connection with its image's login user, the lab's key and its own host key", async () => {
    const lab = await build(single);
    const { connection } = lab.machines[0]!;
    expect(await pulumi.isSecret(connection)).toBe(true);
    expect(await value(pulumi.unsecret(connection))).toEqual({
      host: "198.51.100.1",
      port: 22,
      user: "admin",
      privateKey: keyOutput.slice(0, keyOutput.indexOf("ssh-ed25519")),
      hostKey: "ssh-ed25519 AAAAhost",
      dialErrorLimit: 60,
    });
  });

  it("is reached by its private address if the settings say so", async () => {
    const network = { vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" };
    const lab = await build(single, { network, address: "private" });
    expect(only(machine).associatePublicIpAddress).toBe(false);
    expect((await value(pulumi.unsecret(lab.machines[0]!.connection))).host).toBe("10.77.0.10");
  });

  it("has an ssh command with the stack's own configuration", async () => {
    const lab = await build(single);
    expect(await value(lab.machines[0]!.sshCommand)).toBe("ssh -F .lab/aws/test/config node1");
    const files = made.find(({ name }) => name === "ssh-files")!.inputs;
    expect(files.environment).toMatchObject({ KNOWN: "node1 ssh-ed25519 AAAAhost\n" });
    // The key is only in standard input, marked as secret.
    expect(JSON.stringify({ ...files, stdin: undefined })).not.toContain("PRIVATE KEY");
  });

  it("learns its host key with a command that contains no secret", async () => {
    await build(single, { profile: "course" });
    const command = made.find(({ name }) => name === "node1-host-key")!;
    expect(command.inputs).toMatchObject({
      environment: { DISGRAFS_INSTANCE: "node1-id", DISGRAFS_REGION: "eu-central-1", AWS_PROFILE: "course" },
      triggers: ["node1-id"],
    });
    expect(command.inputs.create).toMatch(/learnHostKey\.ts$/);
  });
});

describe("the way in", () => {
  it("is only SSH from sshCidr from outside", async () => {
    await build(single);
    const outside = made.filter(
      ({ type, inputs }) => type === ingress && !("referencedSecurityGroupId" in inputs),
    );
    expect(
      outside.map(({ inputs }) => [inputs.cidrIpv4, inputs.ipProtocol, inputs.fromPort, inputs.toPort]),
    ).toEqual([["203.0.113.7/32", "tcp", 22, 22]]);
  });

  it("with Session Manager has no open port, and the agent's permissions", async () => {
    // In a preview, there is no machine to forward to; the mocks run as an update, so only the start of the graph is checked.
    made = [];
    const { Network } = await import("./access/network.ts");
    const { Storage } = await import("./storage.ts");
    const tags = () => ({});
    new Network("n", {
      region: "eu-central-1",
      zone: "eu-central-1a",
      existing: undefined,
      sshCidr: undefined,
      tags,
    });
    const storage = new Storage("s", {
      bucketPrefix: "b-",
      objectPrefix: "p",
      keepData: false,
      sessionManager: true,
      tags,
    });
    await value(storage.bucket);
    await settled(() => made.length);
    const rules = made.filter(({ type }) => type === ingress);
    expect(rules.length).toBeGreaterThan(0);
    for (const { inputs } of rules) expect(inputs).toHaveProperty("referencedSecurityGroupId");
    expect(only("aws:iam/rolePolicyAttachment:RolePolicyAttachment").policyArn).toBe(
      "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    );
  });

  it("between nodes covers exactly the shared ports of the table", async () => {
    await build(single);
    const { ports } = await import("../../provisioning/ports.ts");
    const rules = made.filter(
      ({ type, inputs }) => type === ingress && inputs.referencedSecurityGroupId === "network-nodes-id",
    );
    const open = (port: number) =>
      rules.some(
        ({ inputs }) =>
          inputs.ipProtocol === "tcp" && Number(inputs.fromPort) <= port && port <= Number(inputs.toPort),
      );
    for (const [name, entry] of Object.entries(ports)) {
      const expected = entry.shared && name !== "ssh";
      expect([name, open(entry.first), open(entry.last)]).toEqual([name, expected, expected]);
    }
    expect(portClashes(ports, roles)).toEqual([]);
  });
});

describe("storage", () => {
  it("is private, encrypted, emptied at destroy, and forgets unfinished uploads", async () => {
    await build(single);
    expect(only("aws:s3/bucket:Bucket")).toMatchObject({
      bucketPrefix: "disgrafs-test-",
      forceDestroy: true,
    });
    expect(only("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")).toEqual({
      bucket: "disgrafs-test-2026",
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(
      only("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").rules,
    ).toEqual([{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }]);
    expect(only("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").rules).toMatchObject([
      { status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } },
    ]);
  });

  it("is not emptied if the settings keep it", async () => {
    await build(single, { keepData: true });
    expect(only("aws:s3/bucket:Bucket").forceDestroy).toBe(false);
  });

  it("allows machines one prefix of one bucket", async () => {
    await build(single);
    expect(JSON.parse(named("storage-policy").policy as string)).toEqual({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Objects",
          Effect: "Allow",
          Action: [
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
          ],
          Resource: "arn:aws:s3:::disgrafs-test-2026/disgrafs/*",
        },
        {
          Sid: "List",
          Effect: "Allow",
          Action: "s3:ListBucket",
          Resource: "arn:aws:s3:::disgrafs-test-2026",
          Condition: { StringLike: { "s3:prefix": "disgrafs/*" } },
        },
      ],
    });
  });

  it("is given to JuiceFS as a regional address without keys", async () => {
    const lab = await build(single);
    expect(await value(lab.objectStore.url)).toBe("https://disgrafs-test-2026.s3.eu-central-1.amazonaws.com");
  });

  it.each([
    ["test", "disgrafs-test-"],
    ["Ada's lab_2", "disgrafs-ada-s-lab-2-"],
    ["x".repeat(90), `disgrafs-${"x".repeat(27)}-`],
    ["---", "disgrafs-"],
  ])("of stack %j has a bucket name that S3 accepts", (stack, prefix) => {
    expect(bucketPrefix(stack)).toBe(prefix);
    expect(`${prefix}${"0".repeat(26)}`).toMatch(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
  });
});

describe("tags", () => {
  it("are on all resources that can have them", async () => {
    await build(course);
    const without = [
      "aws:ec2/route:",
      "aws:ec2/routeTableAssociation:",
      "aws:iam/rolePolicy:",
      // A schedule has none; its group has.
      "aws:scheduler/schedule:",
      "aws:s3/bucketP",
      "aws:s3/bucketS",
      "aws:s3/bucketL",
    ];
    const tagged = made.filter(
      ({ type }) => type.startsWith("aws:") && !without.some((prefix) => type.startsWith(prefix)),
    );
    expect(tagged.length).toBeGreaterThan(20);
    for (const { name, inputs } of tagged) {
      const tags = inputs.tags as Record<string, string>;
      expect([name, Object.keys(tags).sort()]).toEqual([
        name,
        [
          "Name",
          "disgrafs:created",
          "disgrafs:expires",
          "disgrafs:owner",
          "disgrafs:project",
          "disgrafs:run",
          "disgrafs:stack",
        ],
      ]);
      expect(tags).toMatchObject({
        "disgrafs:project": "disgrafs-lab",
        "disgrafs:stack": "test",
        "disgrafs:owner": "ada",
      });
      expect(Date.parse(tags["disgrafs:expires"]!) - Date.parse(tags["disgrafs:created"]!)).toBe(
        4 * 3_600_000,
      );
    }
  });
});

describe("the clock outside the machines", () => {
  it("starts the terminator of this run, five minutes after the lab's end and under its own role", async () => {
    const lab = await build(single);
    const expires = await value(lab.outputs.expires);
    expect(only("aws:scheduler/schedule:Schedule")).toMatchObject({
      groupName: "deadline-schedules-1",
      scheduleExpression: `at(${new Date(Date.parse(expires) + 300_000).toISOString().slice(0, 19)})`,
      scheduleExpressionTimezone: "UTC",
      flexibleTimeWindow: { mode: "OFF" },
      target: {
        arn: "arn:aws:states:eu-central-1:1:terminator",
        roleArn: "arn:aws:iam::1:deadline-role",
        input: "{}",
      },
    });
  });

  it("may terminate only machines with this run's tag", async () => {
    const lab = await build(single);
    const run = await value(lab.outputs.run);
    const { Statement } = JSON.parse(named("deadline-policy").policy as string) as {
      Statement: { Action: string; Condition?: unknown }[];
    };
    expect(Statement.map(({ Action }) => Action)).toEqual([
      "ec2:DescribeInstances",
      "ec2:TerminateInstances",
      "states:StartExecution",
    ]);
    expect(Statement[1]?.Condition).toEqual({ StringEquals: { "aws:ResourceTag/disgrafs:run": run } });
    const { States } = JSON.parse(only("aws:sfn/stateMachine:StateMachine").definition as string) as {
      States: { Find: { Parameters: { Filters: unknown[] } } };
    };
    expect(States.Find.Parameters.Filters[0]).toEqual({ Name: "tag:disgrafs:run", Values: [run] });
  });
});

describe("what is settled once", () => {
  it("is the newest image of the kernel, found by owner and name", async () => {
    const lab = await build(single);
    expect(asked.find(({ token }) => token === "aws:ec2/getAmiIds:getAmiIds")?.inputs).toMatchObject({
      owners: ["136693071363"],
      filters: [
        { name: "name", values: ["debian-13-amd64-*"] },
        { name: "architecture", values: ["x86_64"] },
        { name: "state", values: ["available"] },
      ],
    });
    expect(await value(lab.outputs.images["debian-13"]!)).toBe("ami-00000000000000001");
    expect(
      made
        .filter(({ type }) => type === "pulumi:index:Stash")
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["created", "fuse", "image-debian-13", "run", "zone"]);
  });

  it("is Amazon Linux's image by the parameter that names its kernel", async () => {
    await build(single, {}, "amazon-linux-2023");
    expect(only(machine).ami).toBe("ami-00000000000000009");
    expect(asked.find(({ token }) => token === "aws:ssm/getParameter:getParameter")?.inputs).toMatchObject({
      name: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-x86_64",
    });
  });

  it("is the settings' image, without a look-up, if there is one", async () => {
    await build(single, { image: "ami-0123456789abcdef0" });
    expect(only(machine).ami).toBe("ami-0123456789abcdef0");
    expect(asked.map(({ token }) => token)).not.toContain("aws:ec2/getAmiIds:getAmiIds");
  });

  it("is the first zone that has all types", async () => {
    const lab = await build(course);
    expect(await value(lab.outputs.zone)).toBe("eu-central-1b");
    expect(only("aws:ec2/subnet:Subnet").availabilityZone).toBe("eu-central-1b");
  });

  it("is the settings' zone, without a look-up, if there is one", async () => {
    await build(course, { availabilityZone: "eu-central-1c" });
    expect(only("aws:ec2/subnet:Subnet").availabilityZone).toBe("eu-central-1c");
    expect(asked.map(({ token }) => token)).not.toContain(
      "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
    );
  });
});

describe("firstZone", () => {
  it("is an error that names what each zone lacks if none has all", () => {
    expect(() =>
      firstZone(["a1.x", "b1.x"], "eu-central-1", ["a1.x", "b1.x"], ["eu-central-1a", "eu-central-1b"]),
    ).toThrow(
      "no zone of eu-central-1 has all of a1.x, b1.x (eu-central-1a lacks b1.x; eu-central-1b lacks a1.x): choose other types",
    );
    expect(() => firstZone(["a1.x"], "eu-central-1", [], [])).toThrow(
      "no zone of eu-central-1 has all of a1.x: choose",
    );
  });
});

describe("cost", () => {
  it("is shown before any resource exists", async () => {
    const lab = await build(course, { region: "us-east-1" });
    // 0.096 + 2 x 0.11865 + 3 x (30 x 0.08 / 730 + 0.005)
    expect(lab.outputs.costEstimate).toMatchObject({ currency: "USD", perHour: 0.3582, untilExpiry: 1.4327 });
  });

  it("above the limit is refused before any resource exists", async () => {
    await expect(build(course, { region: "us-east-1", maxHourlyCost: 0.3 })).rejects.toThrow(
      /more than maxHourlyCost/,
    );
    expect(made).toEqual([]);
  });
});

describe("awsNodes", () => {
  it("keeps names and order, and removes the object store's role", () => {
    expect(awsNodes(course)).toEqual([{ name: "meta", roles: ["meta"] }, course[1], course[2]]);
  });
});

describe("instanceTypeOf", () => {
  it("refuses a node whose roles do not determine its size", () => {
    expect(() => instanceTypeOf({ name: "x", roles: ["objects"] }, defaultInstanceTypes)).toThrow(
      /node x has no role/,
    );
  });
});

describe("a pinned image that is gone", () => {
  it("does not fail: running machines stay", async () => {
    images = [];
    const warn = jest.spyOn(console, "warn").mockImplementation(() => undefined);
    try {
      const { pinnedImage } = await import("./machine/image.ts");
      expect(await value(pinnedImage({ kernel: "amazon-linux-2023" }, {}))).toBe("ami-00000000000000009");
      expect(warn.mock.calls.join()).toMatch(
        /ami-00000000000000009 \(Amazon Linux 2023.*\) is gone from AWS\. Machines that run stay.*--replace 'urn:pulumi:test::disgrafs-lab::pulumi:index:Stash::image-amazon-linux-2023', or set aws\.image/,
      );
    } finally {
      warn.mockRestore();
      images = ["ami-00000000000000001"];
    }
  });
});
