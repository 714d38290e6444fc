/** AWS on loopback for one test file: moto's server behind a proxy that injects errors and shows consoles. */
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as scheduler from "@aws-sdk/client-scheduler";
import * as sfn from "@aws-sdk/client-sfn";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../workshop/freePort.ts";

const root = new URL("../..", import.meta.url).pathname;
const credentials = { accessKeyId: "testing", secretAccessKey: "testing" };

/** An error in place of an answer to the next calls of an action. */
export interface Fault {
  /** An action of EC2 or IAM; for S3, a method and path, such as `GET /BUCKET/?tagging=`. */
  readonly action: string;
  readonly code: string;
  readonly message: string;
  readonly status: number;
  /** Number of calls that fail; after them, the action works again. */
  times: number;
}

/** AWS's images, in the format of moto's MOTO_AMIS_PATH. */
const image = (id: string, owner: string, name: string, day: string) => ({
  ami_id: id,
  owner_id: owner,
  name,
  creation_date: `${day}T00:00:00.000Z`,
  architecture: "x86_64",
  state: "available",
  public: true,
  virtualization_type: "hvm",
  hypervisor: "xen",
  root_device_type: "ebs",
  root_device_name: "/dev/xvda",
  sriov: "simple",
  description: name,
  image_location: name,
  image_type: "machine",
  platform: null,
});
const images = [
  image("ami-00000000000000011", "136693071363", "debian-13-amd64-20260914-2601", "2026-09-14"),
  image("ami-00000000000000010", "136693071363", "debian-13-amd64-20260316-2418", "2026-03-16"),
  image("ami-00000000000000020", "136693071363", "debian-12-amd64-20260914-2601", "2026-09-14"),
];

/** A request of RunInstances, with moto's answer. */
export interface RunRequest {
  readonly id: string;
  readonly privateAddress: string;
  readonly type: string;
  readonly image: string;
  /** Name of the instance profile. */
  readonly profile: string;
  readonly userData: Buffer;
}

/** The machines behind the instances. Without them, instances exist only in moto's records. */
export interface Machines {
  start(request: RunRequest): Promise<void>;
  /** Ends a machine; not an error if it has already ended. */
  stop(id: string): Promise<void>;
  /** All output of the machine's console. */
  console(id: string): string;
  close(): Promise<void>;
}

/** The environment in which machines are created. */
export interface MachinesPlace {
  readonly motoPort: number;
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: typeof credentials;
  readonly folder: string;
  /** Call this when a machine has ended by itself, so that moto also terminates it. */
  ended(id: string): Promise<void>;
}

export class Cloud {
  readonly faults: Fault[] = [];
  /** EC2 actions in the order of their arrival. */
  readonly calls: string[] = [];
  /** Calls of these actions are held until they are released. */
  readonly held = new Set<string>();
  #proxy: Server;
  #moto: ChildProcess;
  #motoPort: number;
  #folder: string;
  #machines: Machines | undefined;
  /** Calls that have arrived and are not finished. */
  #open = 0;
  /** The proxy's own placement groups, because moto has none: name -> tags. */
  readonly #groups = new Map<string, Map<string, string>>();

  private constructor(proxy: Server, moto: ChildProcess, motoPort: number, folder: string) {
    this.#proxy = proxy;
    this.#moto = moto;
    this.#motoPort = motoPort;
    this.#folder = folder;
  }

  /** @param makeMachines creates real machines for the instances */
  static async start(makeMachines?: (place: MachinesPlace) => Promise<Machines>): Promise<Cloud> {
    const folder = mkdtempSync(join(tmpdir(), "cloud-"));
    writeFileSync(join(folder, "images.json"), JSON.stringify(images));
    const proxy = createServer();
    await new Promise<void>((resolve) => {
      proxy.listen(0, "127.0.0.1", resolve);
    });
    const port = await freePort();
    const python = process.env.DISGRAFS_PYTHON ?? join(root, ".lab/venv/bin/python");
    const moto = spawn(python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
      env: {
        ...process.env,
        MOTO_AMIS_PATH: join(folder, "images.json"),
        // Its state machines call AWS at this proxy, so that the machines that they terminate are ended.
        MOTO_PORT: String((proxy.address() as AddressInfo).port),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    moto.stderr.on("data", (data: Buffer) => {
      log = (log + data.toString()).slice(-4000);
    });
    const cloud = new Cloud(proxy, moto, port, folder);
    proxy.on("request", (incoming: IncomingMessage, answer: ServerResponse) => {
      cloud.#open += 1;
      cloud
        .#serve(incoming, answer)
        .catch((error: unknown) => {
          // A client that has gone needs no answer; for any other, the connection is closed.
          if (!answer.destroyed) process.stderr.write(`the cloud could not answer: ${String(error)}\n`);
          answer.destroy();
        })
        .finally(() => (cloud.#open -= 1));
    });
    const deadline = Date.now() + 240_000;
    while (!(await answers(port))) {
      if (moto.exitCode !== null || Date.now() > deadline)
        throw new Error(`moto's server did not start (./lab setup installs it into .lab/venv): ${log}`);
      await sleep(200);
    }
    // moto must run state machines, and not only list them.
    await fetch(`http://127.0.0.1:${port}/moto-api/config`, {
      method: "POST",
      body: JSON.stringify({ stepfunctions: { execute_state_machine: true } }),
    });
    try {
      cloud.#machines = await makeMachines?.(cloud.#place());
    } catch (error) {
      await cloud.stop();
      throw error;
    }
    return cloud;
  }

  #place(): MachinesPlace {
    const { AWS_ENDPOINT_URL: endpoint = "", AWS_REGION: region = "" } = this.env;
    return {
      ...{ endpoint, region, credentials, motoPort: this.#motoPort, folder: this.#folder },
      ended: async (id) => {
        const client = new ec2.EC2Client({ endpoint, region, credentials });
        await client.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] }));
      },
    };
  }

  /** Environment that makes AWS SDKs use this proxy, with invalid credentials. */
  get env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(this.#proxy.address() as AddressInfo).port}`,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
  }

  /** All resources in the account, from moto, which shows what a lab leaves behind. */
  async listing(): Promise<string[]> {
    const options = { endpoint: this.env.AWS_ENDPOINT_URL, region: this.env.AWS_REGION, credentials };
    const client = new ec2.EC2Client(options);
    const identities = new iam.IAMClient(options);
    const buckets = new s3.S3Client({ ...options, forcePathStyle: true });
    const instances = (await client.send(new ec2.DescribeInstancesCommand({}))).Reservations ?? [];
    const found = [
      instances
        .flatMap(({ Instances = [] }) => Instances)
        .filter(({ State }) => State?.Name !== "terminated")
        .map(({ InstanceId }) => InstanceId),
      (await client.send(new ec2.DescribeVolumesCommand({}))).Volumes?.map(({ VolumeId }) => VolumeId),
      (await client.send(new ec2.DescribeVpcsCommand({}))).Vpcs?.map(({ VpcId }) => VpcId),
      (await client.send(new ec2.DescribeSubnetsCommand({}))).Subnets?.map(({ SubnetId }) => SubnetId),
      (await client.send(new ec2.DescribeInternetGatewaysCommand({}))).InternetGateways?.map(
        ({ InternetGatewayId }) => InternetGatewayId,
      ),
      (await client.send(new ec2.DescribeRouteTablesCommand({}))).RouteTables?.map(
        ({ RouteTableId }) => RouteTableId,
      ),
      (await client.send(new ec2.DescribeSecurityGroupsCommand({}))).SecurityGroups?.map(
        ({ GroupId }) => GroupId,
      ),
      (await client.send(new ec2.DescribeNetworkInterfacesCommand({}))).NetworkInterfaces?.map(
        ({ NetworkInterfaceId }) => NetworkInterfaceId,
      ),
      (await client.send(new ec2.DescribeVpcEndpointsCommand({}))).VpcEndpoints?.filter(
        ({ State }) => String(State).toLowerCase() !== "deleted",
      ).map(({ VpcEndpointId }) => VpcEndpointId),
      (await client.send(new ec2.DescribeKeyPairsCommand({}))).KeyPairs?.map(({ KeyName }) => KeyName),
      [...this.#groups.keys()],
      (await identities.send(new iam.ListRolesCommand({}))).Roles?.map(({ RoleName }) => RoleName),
      (await identities.send(new iam.ListInstanceProfilesCommand({}))).InstanceProfiles?.map(
        ({ InstanceProfileName }) => InstanceProfileName,
      ),
      (await buckets.send(new s3.ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name),
      (
        await new scheduler.SchedulerClient(options).send(new scheduler.ListScheduleGroupsCommand({}))
      ).ScheduleGroups?.map(({ Name }) => Name),
      (
        await new scheduler.SchedulerClient(options).send(new scheduler.ListSchedulesCommand({}))
      ).Schedules?.map(({ Name }) => Name),
      (await new sfn.SFNClient(options).send(new sfn.ListStateMachinesCommand({}))).stateMachines?.map(
        ({ stateMachineArn }) => stateMachineArn,
      ),
    ];
    return found
      .flatMap((each) => each ?? [])
      .map(String)
      .sort();
  }

  /** Resolves when all calls are finished, even those whose client has gone. */
  async settled(): Promise<void> {
    while (this.#open > 0) await sleep(50);
  }

  async stop(): Promise<void> {
    await this.#machines?.close();
    this.#proxy.closeAllConnections();
    this.#proxy.close();
    if (this.#moto.exitCode === null) {
      this.#moto.kill("SIGKILL");
      await once(this.#moto, "exit");
    }
    rmSync(this.#folder, { recursive: true });
  }

  /**
   * Advances AWS's clock to a time: everything scheduled until then is started in order, as by EventBridge Scheduler. Returns the
   * state machines' executions.
   */
  async advanceTo(time: Date): Promise<string[]> {
    const options = { endpoint: this.env.AWS_ENDPOINT_URL, region: this.env.AWS_REGION, credentials };
    const clock = new scheduler.SchedulerClient(options);
    const { Schedules = [] } = await clock.send(new scheduler.ListSchedulesCommand({}));
    const all = await Promise.all(
      Schedules.map(({ Name, GroupName }) =>
        clock.send(new scheduler.GetScheduleCommand({ Name, GroupName })),
      ),
    );
    const due = all
      .map((each) => ({ at: /^at\((.*)\)$/.exec(each.ScheduleExpression ?? "")?.[1] ?? "", each }))
      .filter(({ at, each }) => each.State !== "DISABLED" && new Date(`${at}Z`) <= time)
      .sort((a, b) => (a.at < b.at ? -1 : 1));
    const executions: string[] = [];
    for (const { each } of due) {
      const { executionArn = "" } = await new sfn.SFNClient(options).send(
        new sfn.StartExecutionCommand({
          name: randomUUID(),
          stateMachineArn: each.Target?.Arn,
          input: each.Target?.Input,
        }),
      );
      executions.push(executionArn);
    }
    return executions;
  }

  /** Status of a state machine's execution: RUNNING, SUCCEEDED, FAILED. */
  async execution(executionArn: string): Promise<string> {
    const options = { endpoint: this.env.AWS_ENDPOINT_URL, region: this.env.AWS_REGION, credentials };
    const client = new sfn.SFNClient(options);
    return (await client.send(new sfn.DescribeExecutionCommand({ executionArn }))).status ?? "?";
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const form = new URLSearchParams(body.toString("latin1"));
    const action = form.get("Action") ?? jsonAction(incoming);
    if (action !== "") this.calls.push(action);
    while (this.held.has(action)) await sleep(50);
    const path = `${incoming.method} ${incoming.url}`;
    const fault = this.faults.find((each) => [action, path].includes(each.action) && each.times > 0);
    if (fault) {
      fault.times -= 1;
      answer.writeHead(fault.status, { "content-type": "text/xml" });
      answer.end(
        fault.action === path
          ? `<Error><Code>${fault.code}</Code><Message>${fault.message}</Message></Error>`
          : `<Response><Errors><Error><Code>${fault.code}</Code><Message>${fault.message}</Message></Error></Errors><RequestID>test</RequestID></Response>`,
      );
      return;
    }
    if (action === "GetConsoleOutput") {
      const id = form.get("InstanceId") ?? "";
      const output = Buffer.from(this.#machines?.console(id) ?? consoleOf(id)).toString("base64");
      answer.writeHead(200, { "content-type": "text/xml" });
      answer.end(
        `<GetConsoleOutputResponse><requestId>test</requestId><instanceId>${id}</instanceId><output>${output}</output></GetConsoleOutputResponse>`,
      );
      return;
    }
    const placement = placementGroups(this.#groups, action, form);
    if (placement !== undefined) {
      answer.writeHead(200, { "content-type": "text/xml" });
      answer.end(placement);
      return;
    }
    const reply = await this.#forward(incoming, body);
    const text = await this.#follow(action, form, reply);
    answer.writeHead(reply.statusCode ?? 500, reply.headers);
    if (text === undefined) reply.pipe(answer);
    else answer.end(text);
  }

  /** moto's reply, whose body has not been read. */
  #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.#motoPort, method, path: url, headers };
      request(options, resolve).on("error", reject).end(body);
    });
  }

  /** Starts and ends machines as recorded by moto. Returns the reply's text if it had to be read. */
  async #follow(action: string, form: URLSearchParams, reply: IncomingMessage): Promise<Buffer | undefined> {
    const machines = this.#machines;
    if (!machines || reply.statusCode !== 200) return undefined;
    if (action === "TerminateInstances") {
      for (const [name, id] of form) if (name.startsWith("InstanceId.")) await machines.stop(id);
      return undefined;
    }
    if (action !== "RunInstances") return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks);
    const value = (element: string): string =>
      new RegExp(`<${element}>([^<]*)</${element}>`).exec(text.toString("utf8"))?.[1] ?? "";
    await machines.start({
      id: value("instanceId"),
      privateAddress: value("privateIpAddress"),
      type: form.get("InstanceType") ?? "",
      image: form.get("ImageId") ?? "",
      profile: form.get("IamInstanceProfile.Name") ?? "",
      userData: Buffer.from(form.get("UserData") ?? "", "base64"),
    });
    return text;
  }
}

/** The action of a service that speaks JSON: by header (Step Functions) or by method and path (EventBridge Scheduler). */
function jsonAction({ method, url = "", headers }: IncomingMessage): string {
  const target = headers["x-amz-target"];
  if (typeof target === "string") return target.split(".").at(-1) ?? "";
  return method === "POST" && url.startsWith("/schedules/") ? "CreateSchedule" : "";
}

/** Answers the calls about placement groups and their tags; undefined for all other calls. */
function placementGroups(
  groups: Map<string, Map<string, string>>,
  action: string,
  form: URLSearchParams,
): string | undefined {
  const values = (prefix: string, suffix = ""): string[] => {
    const found: string[] = [];
    for (let index = 1; form.has(`${prefix}.${index}${suffix}`); index += 1)
      found.push(form.get(`${prefix}.${index}${suffix}`) ?? "");
    return found;
  };
  const tag = (group: string, prefix: string): void => {
    const keys = values(prefix, ".Key");
    for (const [index, key] of keys.entries())
      groups.get(group)?.set(key, values(prefix, ".Value")[index] ?? "");
  };
  const name = form.get("GroupName") ?? "";
  switch (action) {
    case "CreatePlacementGroup":
      groups.set(name, new Map());
      tag(name, "TagSpecification.1.Tag");
      return "<CreatePlacementGroupResponse><return>true</return></CreatePlacementGroupResponse>";
    case "DeletePlacementGroup":
      groups.delete(name);
      return "<DeletePlacementGroupResponse><return>true</return></DeletePlacementGroupResponse>";
    case "DescribePlacementGroups": {
      const wanted = values("GroupName");
      const sets = [...groups].filter(([group]) => wanted.length === 0 || wanted.includes(group));
      const items = sets.map(([group, tags]) => {
        const tagItems = [...tags].map(
          ([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`,
        );
        return `<item><groupName>${group}</groupName><groupId>pg-${group}</groupId><state>available</state><strategy>cluster</strategy><tagSet>${tagItems.join("")}</tagSet></item>`;
      });
      return `<DescribePlacementGroupsResponse><placementGroupSet>${items.join("")}</placementGroupSet></DescribePlacementGroupsResponse>`;
    }
    case "CreateTags": {
      const id = form.get("ResourceId.1") ?? "";
      if (!id.startsWith("pg-")) return undefined;
      tag(id.slice(3), "Tag");
      return "<CreateTagsResponse><return>true</return></CreateTagsResponse>";
    }
    default:
      return undefined;
  }
}

/** A host key that is different for each machine, but invalid, because nobody can log in. */
export function hostKeyFor(id: string): string {
  return `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${createHash("sha256").update(id).digest("hex").slice(0, 43)}`;
}

function consoleOf(id: string): string {
  return [
    "[    0.000000] Linux version 6.12.57+deb13-cloud-amd64",
    "-----BEGIN SSH HOST KEY KEYS-----",
    `${hostKeyFor(id)} root@${id}`,
    "-----END SSH HOST KEY KEYS-----",
    "",
  ].join("\r\n");
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/moto-api/`)).ok;
  } catch {
    return false;
  }
}
