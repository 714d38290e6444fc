/**
 * The instance metadata service of one machine, on a loopback port (only IMDSv2: no answer without a token). It has the data of
 * cloud-init's Ec2 data source, the user data, and the credentials of the machine's role.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface MachineFacts {
  readonly id: string;
  readonly type: string;
  readonly image: string;
  readonly region: string;
  readonly privateAddress: string;
  /** Hardware address of the machine's network card. */
  readonly mac: string;
  readonly role: string;
  readonly userData: Buffer;
}

interface Tree {
  readonly [name: string]: string | Tree;
}

export class MetadataService {
  readonly #server: Server;
  readonly #facts: MachineFacts;
  readonly #token = randomBytes(24).toString("base64url");
  /** Requested paths. */
  readonly asked: string[] = [];
  /** Requests without IMDSv2's session token, which got no answer: "PROGRAM PATH". */
  readonly refused: string[] = [];

  private constructor(facts: MachineFacts) {
    this.#facts = facts;
    this.#server = createServer((question, answer) => {
      this.#serve(question, answer);
    });
  }

  static async start(facts: MachineFacts): Promise<MetadataService> {
    const service = new MetadataService(facts);
    await new Promise<void>((resolve) => {
      service.#server.listen(0, "127.0.0.1", resolve);
    });
    return service;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #serve(question: IncomingMessage, answer: ServerResponse): void {
    const path = (question.url ?? "").split("?")[0] ?? "";
    const say = (status: number, text: string | Buffer): void => {
      answer.writeHead(status, { "content-type": "text/plain", "content-length": Buffer.byteLength(text) });
      answer.end(text);
    };
    question.resume();
    if (question.method === "PUT" && path === "/latest/api/token") {
      answer.setHeader("x-aws-ec2-metadata-token-ttl-seconds", "21600");
      say(200, this.#token);
      return;
    }
    if (question.headers["x-aws-ec2-metadata-token"] !== this.#token) {
      this.refused.push(`${question.headers["user-agent"] ?? "?"} ${path}`);
      say(401, "");
      return;
    }
    this.asked.push(path);
    const [, , kind = "", ...rest] = path.split("/");
    if (kind === "user-data") {
      say(200, this.#facts.userData);
      return;
    }
    const tree: Tree = { "meta-data": metaData(this.#facts), dynamic: dynamic(this.#facts) };
    const found = lookUp(tree, [kind, ...rest].filter(Boolean));
    if (found === undefined) say(404, "");
    else say(200, typeof found === "string" ? found : listing(found));
  }
}

function lookUp(tree: Tree, names: readonly string[]): string | Tree | undefined {
  let at: string | Tree | undefined = tree;
  for (const name of names) at = typeof at === "object" ? at[name] : undefined;
  return at;
}

function listing(tree: Tree): string {
  return Object.entries(tree)
    .map(([name, value]) => (typeof value === "string" ? name : `${name}/`))
    .join("\n");
}

function metaData({ id, type, image, region, privateAddress, mac, role }: MachineFacts): Tree {
  const name = `ip-${privateAddress.replaceAll(".", "-")}.ec2.internal`;
  return {
    "ami-id": image,
    "instance-id": id,
    "instance-type": type,
    "local-hostname": name,
    hostname: name,
    "local-ipv4": privateAddress,
    mac,
    placement: { "availability-zone": `${region}a`, region },
    network: {
      interfaces: {
        macs: {
          [mac]: {
            "device-number": "0",
            "interface-id": "eni-0123456789abcdef0",
            "local-ipv4s": privateAddress,
            mac,
            "subnet-ipv4-cidr-block": "10.77.0.0/20",
          },
        },
      },
    },
    iam: { "security-credentials": { [role]: JSON.stringify(credentials()) } },
  };
}

function credentials() {
  const hours = (count: number): string =>
    `${new Date(Date.now() + count * 3_600_000).toISOString().slice(0, 19)}Z`;
  return {
    Code: "Success",
    Type: "AWS-HMAC",
    LastUpdated: hours(0),
    Expiration: hours(6),
    AccessKeyId: roleAccessKey,
    SecretAccessKey: "machine",
    Token: "machine",
  };
}

/** Identifies requests to S3 that are signed as the machine's role. */
export const roleAccessKey = "ASIATESTMACHINEROLE";

function dynamic({ id, region, type, image }: MachineFacts): Tree {
  const document = { instanceId: id, region, instanceType: type, imageId: image, accountId: "123456789012" };
  return { "instance-identity": { document: JSON.stringify(document) } };
}
