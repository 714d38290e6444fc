/** Logins that cannot succeed fail at once with the reason; others are retried at increasing intervals. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server as TcpServer } from "node:net";
import { join } from "node:path";
import { jest } from "@jest/globals";
import ssh2, { type AuthContext, type Server } from "ssh2";
import { startSshd, type SshServer } from "../../../tests/support/sshd.ts";
import { remoteCommand } from "../remoteCommand.ts";
import { failure, operate, properties } from "../testing/operations.ts";
import { until } from "../testing/processes.ts";
import { Pool } from "./pool.ts";

jest.setTimeout(180_000);

let pool: Pool;
beforeEach(() => {
  pool = new Pool([50, 100, 200]);
});
afterEach(() => pool.close());

async function run(connection: object): Promise<unknown> {
  const given = properties({ connection, logging: "none", create: "echo in" });
  const { value } = await operate((operation) => remoteCommand(pool).create(given, operation));
  return value["stdout"];
}

function connections(server: SshServer): number {
  return server.log().match(/Connection from /g)?.length ?? 0;
}

describe("a login that can never work takes one connection", () => {
  let server: SshServer | undefined;
  let agent: ChildProcess | undefined;
  afterEach(async () => {
    agent?.kill();
    await server?.remove();
  });

  test("no common key exchange: the error lists the server's", async () => {
    server = await startSshd({ settings: ["KexAlgorithms sntrup761x25519-sha512@openssh.com"] });
    expect(await failure(run(server.connection))).toMatch(
      /have no key exchange algorithm in common; the server offers sntrup761x25519-sha512@openssh.com/,
    );
    expect(connections(server)).toBe(1);
  });

  test("no common cipher: the error lists the server's", async () => {
    server = await startSshd({ settings: ["Ciphers aes128-cbc"] });
    expect(await failure(run(server.connection))).toMatch(
      /have no C->S cipher in common; the server offers aes128-cbc\./,
    );
    expect(connections(server)).toBe(1);
  });

  test("a host key of a type that the server does not have: the error lists the server's types", async () => {
    server = await startSshd();
    const rsa = ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 });
    const hostKey = rsa.public;
    expect(await failure(run({ ...server.connection, hostKey }))).toMatch(
      /has no host key of type ssh-rsa, which connection.hostKey is; it has ssh-ed25519\. .*ssh-keyscan/,
    );
    expect(connections(server)).toBe(1);
  });

  test("a key that the server does not accept, on a machine that was up: the error lists the accepted methods", async () => {
    server = await startSshd();
    const other = await startSshd({ stopped: true });
    expect(await failure(run({ ...server.connection, privateKey: other.privateKey }))).toMatch(
      /does not accept the private key for this user; the server takes publickey\. Check connection.user/,
    );
    expect(connections(server)).toBe(1);
    await other.remove();
  });

  test("a password that the server does not accept: the error lists the accepted methods", async () => {
    server = await startSshd();
    const connection = { ...server.connection, privateKey: undefined, password: "canary" };
    expect(await failure(run(connection))).toMatch(
      /takes none of what connection has \(the password\): the server takes publickey$/,
    );
    expect(connections(server)).toBe(1);
  });

  test("an agent with more keys than the server allows: the error has the number of tried keys, and advice", async () => {
    server = await startSshd();
    const socket = join(server.folder, "agent");
    agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    const environment = { ...process.env, SSH_AUTH_SOCK: socket };
    await until("the agent answers", () => {
      try {
        execFileSync("ssh-add", ["-l"], { env: environment, stdio: "ignore" });
        return true;
      } catch (error) {
        return (error as { status?: number }).status === 1; // It answers, and holds nothing.
      }
    });
    const keys = Array.from({ length: 7 }, (_, index) => join(server!.folder, `other${index}`));
    for (const key of keys) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    execFileSync("ssh-add", ["-q", ...keys, join(server.folder, "user_key")], {
      env: environment,
      stdio: "ignore",
    });
    const connection = { ...server.connection, privateKey: undefined, agentSocketPath: socket };
    expect(await failure(run(connection))).toMatch(
      /ended the login \("Too many authentication failures"\) after [5-7] keys of the SSH agent: .*MaxAuthTries/,
    );
    expect(connections(server)).toBe(1);
  });
});

test("a server that closes each connection is tried at growing intervals", async () => {
  let asked = 0;
  const server: TcpServer = createServer((socket) => {
    asked++;
    socket.on("error", () => undefined);
    socket.write("SSH-2.0-closes\r\n");
    setTimeout(() => socket.destroy(), 20);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const given = properties({ connection: { host: "127.0.0.1", port }, create: "true" });
  const message = await failure(
    operate((operation) => remoteCommand(pool).create(given, operation), { seconds: 8 }),
  );
  expect(message).toMatch(/not finished after 8 s/);
  // The first pause is 0.25 s, and each is half as long again as the previous one: 7 pauses take 8 s.
  expect(asked).toBeGreaterThan(2);
  expect(asked).toBeLessThanOrEqual(9);
  server.close();
});

test("a login waits for keys that a booting machine writes after its sshd is up", async () => {
  const server = await startSshd({ stopped: true });
  const keys = join(server.folder, "user_key.pub");
  const text = readFileSync(keys, "utf8");
  writeFileSync(keys, "");
  setTimeout(() => void server.start(), 1500);
  const written = until("a login is refused", () =>
    /Failed publickey|authenticating user/.test(server.log()),
  ).then(() => appendFileSync(keys, text));
  try {
    expect(await run({ ...server.connection, port: server.port })).toBe("in");
    await written;
  } finally {
    await server.remove();
  }
});

describe("private keys in PKCS#8, as OpenSSL and Terraform write them,", () => {
  let server: SshServer;
  beforeAll(async () => {
    server = await startSshd();
  });
  afterAll(() => server.remove());

  const kinds = {
    rsa: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ec: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    ed25519: () => generateKeyPairSync("ed25519"),
  };
  test.each([
    ["rsa", undefined],
    ["ec", undefined],
    ["ed25519", undefined],
    ["rsa", "pass phrase"],
    ["ec", "pass phrase"],
    ["ed25519", "pass phrase"],
  ] as const)("let in: %s, password %s", async (kind, passphrase) => {
    const { privateKey } = kinds[kind]();
    const pem = privateKey.export({
      type: "pkcs8",
      format: "pem",
      ...(passphrase !== undefined && { cipher: "aes-256-cbc", passphrase }),
    });
    expect(pem).toMatch(passphrase === undefined ? /^-----BEGIN PRIVATE/ : /^-----BEGIN ENCRYPTED PRIVATE/);
    const { readablePrivateKey } = await import("./privateKey.ts");
    const parsed = ssh2.utils.parseKey(readablePrivateKey(String(pem), passphrase));
    if (parsed instanceof Error) throw parsed;
    appendFileSync(
      join(server.folder, "user_key.pub"),
      `${parsed.type} ${parsed.getPublicSSH().toString("base64")}\n`,
    );
    expect(await run({ ...server.connection, privateKey: pem, privateKeyPassword: passphrase })).toBe("in");
  });

  test("give an error without their text if the password is missing, or if they are invalid", async () => {
    const { privateKey } = kinds.ed25519();
    const pem = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
    expect(await failure(run({ ...server.connection, privateKey: pem }))).toMatch(
      /privateKey is encrypted: connection.privateKeyPassword must be given/,
    );
    const none = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----";
    const message = await failure(run({ ...server.connection, privateKey: none }));
    expect(message).toMatch(/cannot be used: it is labelled as a PKCS#8 key/);
    expect(message).not.toContain("canary");
  });
});

/** An ssh2 server whose login methods the test chooses; OpenSSH would need a user with a password on this machine. */
class AuthServer {
  readonly #server: Server;
  readonly seen: string[] = [];
  constructor(hostKey: string, judge: (context: AuthContext, seen: readonly string[]) => void) {
    this.#server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        this.seen.push(context.method);
        judge(context, this.seen);
      });
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          const channel = acceptExec();
          channel.write("in\n");
          channel.exit(0);
          channel.end();
        });
      });
    });
  }
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as { port: number }).port;
  }
  close(): void {
    this.#server.close();
  }
}

describe("a password", () => {
  const { private: hostKey } = ssh2.utils.generateKeyPairSync("ed25519");
  const { private: userKey } = ssh2.utils.generateKeyPairSync("ed25519");
  let server: AuthServer | undefined;
  afterEach(() => server?.close());

  test("is used to answer a server that only allows keyboard-interactive", async () => {
    server = new AuthServer(hostKey, (context) => {
      if (context.method !== "keyboard-interactive") context.reject(["keyboard-interactive"]);
      else
        context.prompt([{ prompt: "Password: ", echo: false }], (answers) =>
          answers[0] === "right" ? context.accept() : context.reject(["keyboard-interactive"]),
        );
    });
    const port = await server.listen();
    expect(await run({ host: "127.0.0.1", port, password: "right" })).toBe("in");
    expect(await failure(run({ host: "127.0.0.1", port, password: "canary" }))).toMatch(
      /does not accept the password as an answer \(keyboard-interactive\) for this user; the server takes keyboard-i/,
    );
  });

  test("and a key are both used if a server requires both, in its order", async () => {
    let step = 0;
    server = new AuthServer(hostKey, (context) => {
      if (context.method === "none") step = 0;
      if (step === 0 && context.method === "publickey") {
        if (context.signature) {
          step = 1;
          context.reject(["password"], true);
        } else context.accept();
      } else if (step === 1 && context.method === "password" && context.password === "right")
        context.accept();
      else context.reject([step === 0 ? "publickey" : "password"]);
    });
    const port = await server.listen();
    const connection = { host: "127.0.0.1", port, privateKey: userKey, password: "right" };
    expect(await run(connection)).toBe("in");
    expect(await failure(run({ ...connection, password: undefined }))).toMatch(
      /accepts the private key and asks for more: the server takes password\. Give connection.password/,
    );
  });
});

test("a command whose start and end arrive in one packet is not reported as a lost connection", async () => {
  const { private: hostKey } = ssh2.utils.generateKeyPairSync("ed25519");
  const server = new AuthServer(hostKey, (context) => context.accept());
  const port = await server.listen();
  expect(await run({ host: "127.0.0.1", port, password: "any" })).toBe("in");
  server.close();
});
