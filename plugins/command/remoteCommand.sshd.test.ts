/** command:remote:Command with a real OpenSSH server, for many kinds of failures in practice. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, connect, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { jest } from "@jest/globals";
import { freePort } from "../../workshop/freePort.ts";
import { startSshd, type SshServer } from "../../tests/support/sshd.ts";
import { Operations } from "./operation.ts";
import { remoteCommand } from "./remoteCommand.ts";
import { Pool } from "./ssh/pool.ts";
import { failure, operate, properties } from "./testing/operations.ts";
import { processesWith, until } from "./testing/processes.ts";
import { isSecret, plain, secret, type Properties } from "./wire.ts";

jest.setTimeout(180_000);

let sshd: SshServer;
let pool: Pool;

beforeAll(async () => {
  sshd = await startSshd({ settings: ["AcceptEnv ACCEPTED PULUMI_COMMAND_STDOUT", "MaxStartups 2:100:3"] });
});
afterAll(() => sshd.remove());
beforeEach(() => {
  pool = new Pool([50, 100, 200, 400]);
});
afterEach(() => pool.close());

/** Inputs of a command on the server of these tests. */
function inputs(given: object, connection: object = sshd.connection): Properties {
  return properties({ connection, logging: "none", ...given });
}

function create(given: object, connection?: object): ReturnType<typeof operate<Properties>> {
  return operate((operation) => remoteCommand(pool).create(inputs(given, connection), operation));
}

async function stdout(given: object, connection?: object): Promise<unknown> {
  return (await create(given, connection)).value["stdout"];
}

let marks = 0;
/** A text that no other process has in its command line. */
function mark(): string {
  return `mark-${process.pid}-${Date.now()}-${marks++}`;
}

describe("output", () => {
  test("a line of several megabytes is returned complete, and logged in pieces", async () => {
    const length = 3_000_000;
    const { value, lines } = await create({
      create: `head -c ${length} /dev/zero | tr '\\0' x`,
      logging: "stdoutAndStderr",
    });
    expect(value["stdout"]).toBe("x".repeat(length));
    expect(lines.info.join("")).toBe("x".repeat(length));
    expect(Math.max(...lines.info.map((line) => line.length))).toBeLessThanOrEqual(16 * 1024);
  });

  test("standard output and standard error are separate, each without one trailing newline", async () => {
    const { value } = await create({ create: "printf 'one\\n\\n'; printf 'two\\n' >&2" });
    expect(value).toMatchObject({ stdout: "one\n", stderr: "two" });
  });

  test("an output of tens of megabytes is returned complete", async () => {
    expect(String(await stdout({ create: "seq 1 5000000" }))).toMatch(/^1\n2\n.*\n5000000$/s);
  });

  test("each value of logging logs exactly the streams that it names", async () => {
    const logged = async (logging: string): Promise<string[]> =>
      (await create({ create: "echo out; echo err >&2", logging })).lines.info.sort();
    expect(await logged("none")).toEqual([]);
    expect(await logged("stdout")).toEqual(["out"]);
    expect(await logged("stderr")).toEqual(["err"]);
    expect(await logged("stdoutAndStderr")).toEqual(["err", "out"]);
  });

  test("bytes that are not text are accepted", async () => {
    expect(await stdout({ create: "printf 'a\\377b'" })).toBe("a\uFFFDb");
  });
});

describe("scripts", () => {
  test("a script on standard input keeps quotes, spaces and newlines", async () => {
    const script = `set -euo pipefail\nvalue='it'\\''s "fine"'\nprintf '%s\\n' "$value" "two  spaces"\n`;
    expect(await stdout({ create: "bash -s", stdin: script })).toBe('it\'s "fine"\ntwo  spaces');
  });

  test("without set -e, only the last command's status counts", async () => {
    expect(await stdout({ create: "false\ntrue" })).toBe("");
    expect(await failure(create({ create: "set -e\nfalse\ntrue" }))).toMatch(
      /^exit status 1; it printed nothing/,
    );
  });

  test("megabytes of standard input for a command that does not read it are not an error", async () => {
    expect(await stdout({ create: "echo done", stdin: "x".repeat(5_000_000) })).toBe("done");
  });

  test("without stdin, the command's standard input is empty", async () => {
    expect(await stdout({ create: "cat; echo end" })).toBe("end");
  });

  test("without create, no command runs", async () => {
    expect((await create({})).value).toMatchObject({ stdout: "", stderr: "" });
    expect(sshd.log()).not.toContain("Starting session: command on no");
  });

  test("update falls back to create, and delete runs its own", async () => {
    const file = join(sshd.folder, "update");
    const given = inputs({ create: `echo create >>${file}`, delete: `echo delete >>${file}` });
    const command = remoteCommand(pool);
    await operate((operation) => command.update(given, {}, operation));
    await operate((operation) =>
      command.update({ ...given, update: `echo update >>${file}` }, {}, operation),
    );
    await operate((operation) => command.delete(given, {}, operation));
    expect(readFileSync(file, "utf8")).toBe("create\nupdate\ndelete\n");
  });
});

describe("failures", () => {
  test("an error has the exit status and the last lines, but no secret, script or connection", async () => {
    const secretValue = "canary-5f1e";
    const script = `for i in $(seq 1 100); do echo line $i; done\necho "password is ${secretValue}" >&2\nexit 7\n`;
    const message = await failure(
      operate((operation) =>
        remoteCommand(pool).create(
          { ...inputs({ create: "bash -s" }), stdin: secret(`${script}# ${secretValue}\n${secretValue}`) },
          operation,
        ),
      ),
    );
    expect(message).toMatch(/^exit status 7; the last lines that it printed:\n/);
    expect(message).toContain("line 100\n");
    expect(message).not.toContain("line 1\n");
    expect(message).toContain("password is [secret]");
    for (const hidden of [
      secretValue,
      "for i in",
      "bash -s",
      "PRIVATE KEY",
      sshd.privateKey.split("\n")[1]!,
    ]) {
      expect(message).not.toContain(hidden);
    }
  });

  test("the log has no secret, even if the end of a piece divides it", async () => {
    const value = "canary-".repeat(20);
    const { lines, value: outputs } = await operate((operation) =>
      remoteCommand(pool).create(
        {
          ...inputs({
            create: "head -c 16300 /dev/zero | tr '\\0' x; cat; cat /dev/null",
            logging: "stdoutAndStderr",
          }),
          stdin: secret(value),
        },
        operation,
      ),
    );
    expect(lines.info.join("")).not.toContain("canary-");
    expect(lines.info.join("")).toContain("[secret]");
    // The output contains the secret, so it is secret, too.
    expect(isSecret(outputs["stdout"])).toBe(true);
    expect(plain(outputs["stdout"]!)).toContain(value);
  });

  test("an error names the signal that ended the command", async () => {
    expect(await failure(create({ create: "kill -9 $$" }))).toMatch(/^ended by signal (SIG)?KILL/);
  });

  test("a refused environment is an error with advice, and no command runs", async () => {
    const file = join(sshd.folder, "environment");
    const message = await failure(
      create({ create: `touch ${file}`, environment: { REFUSED: "value-in-it" } }),
    );
    expect(message).toMatch(
      /environment cannot be used here: .* does not accept REFUSED .*AcceptEnv.*NAME=value command/,
    );
    expect(message).not.toContain("value-in-it");
    expect(existsSync(file)).toBe(false);
    expect(await stdout({ create: "echo $ACCEPTED", environment: { ACCEPTED: "yes  it is" } })).toBe(
      "yes it is",
    );
  });

  test("an update has the previous output in its environment if the server accepts it; otherwise, a command that uses it gets a warning", async () => {
    const previous = { stdout: "before", stderr: "trouble" };
    const update = (given: object) =>
      operate((operation) => remoteCommand(pool).update(inputs(given), previous, operation));
    const taken = await update({ update: "echo $PULUMI_COMMAND_STDOUT" });
    expect(taken.value["stdout"]).toBe("before");
    expect(taken.lines.warn).toEqual([]);
    const refused = await update({ update: "echo $PULUMI_COMMAND_STDERR" });
    expect(refused.lines.warn.join()).toMatch(/speaks of PULUMI_COMMAND_STDERR, but .* does not accept/);
    expect((await update({ update: "true" })).lines.warn).toEqual([]);
    expect(
      (await update({ update: "echo $PULUMI_COMMAND_STDOUT", addPreviousOutputInEnv: false })).value[
        "stdout"
      ],
    ).toBe("");
  });

  test("a previous output that is too long for an environment is left out with a warning", async () => {
    const { value, lines } = await operate((operation) =>
      remoteCommand(pool).update(
        inputs({ update: "echo ${#PULUMI_COMMAND_STDOUT}" }),
        { stdout: "x".repeat(200_000) },
        operation,
      ),
    );
    expect(value["stdout"]).toBe("0");
    expect(lines.warn.join()).toMatch(/PULUMI_COMMAND_STDOUT is not set/);
  });

  test("a connection that breaks during a command is reported as such, and the next command gets a new one", async () => {
    const own = await startSshd();
    try {
      // After the end of its standard input, the command runs, and nothing more is sent to it.
      const runs = join(own.folder, "runs");
      const running = failure(create({ create: `cat; touch ${runs}; sleep 600` }, own.connection));
      await until("the command runs", () => existsSync(runs));
      await own.crash();
      expect(await running).toMatch(
        /connection was lost while the command ran \((read ECONNRESET|the machine closed it)\)/,
      );
      await own.start();
      expect(await stdout({ create: "echo again" }, own.connection)).toBe("again");
    } finally {
      await own.remove();
    }
  });
});

describe("what a command leaves running", () => {
  test("a daemon that keeps the output open does not delay the command", async () => {
    const name = mark();
    const { value, lines } = await create({ create: `exec -a ${name} sleep 600 & echo started` });
    try {
      expect(value["stdout"]).toBe("started");
      expect(lines.warn.join()).toMatch(/something that it left running holds its output open/);
      expect(processesWith(name)).toHaveLength(1);
    } finally {
      for (const pid of processesWith(name)) process.kill(pid);
    }
  });

  test("a daemon with redirected streams keeps running, without a delay or a warning", async () => {
    const name = mark();
    const { lines } = await create({
      create: `setsid bash -c 'exec -a ${name} sleep 600' </dev/null >/dev/null 2>&1 &`,
    });
    try {
      expect(lines.warn).toEqual([]);
      await until("the daemon runs", () => processesWith(name).length === 1);
    } finally {
      for (const pid of processesWith(name)) process.kill(pid);
    }
  });
});

describe("the end of an operation", () => {
  const family = (name: string): string =>
    // All kinds of children: plain, in a separate process group (timeout), in a separate session, ignoring SIGTERM.
    [
      `bash -c 'exec -a ${name}-plain sleep 300' &`,
      `timeout 300 bash -c 'exec -a ${name}-group sleep 300' &`,
      `setsid bash -c 'exec -a ${name}-session sleep 300' &`,
      `bash -c 'trap "" TERM; exec -a ${name}-deaf sleep 300' &`,
      "wait",
    ].join("\n");

  test("a timeout ends the remote process and all its children, and no other process", async () => {
    const [name, neighbour] = [mark(), mark()];
    const gone = join(sshd.folder, neighbour);
    const other = create({ create: `bash -c 'while [ ! -e ${gone} ]; do sleep 0.2; done'; echo done` });
    await until("the neighbour runs", () => processesWith(neighbour).length > 0);
    const message = await failure(
      operate((operation) => remoteCommand(pool).create(inputs({ create: family(name) }), operation), {
        seconds: 2,
      }),
    );
    expect(message).toBe("not finished after 2 s, the limit that customTimeouts sets for it");
    expect(processesWith(name)).toEqual([]);
    expect(processesWith(neighbour).length).toBeGreaterThan(0);
    writeFileSync(gone, "");
    expect((await other).value["stdout"]).toBe("done");
  });

  test("a cancel ends all running commands, and waiting ones never start", async () => {
    const name = mark();
    const operations = new Operations();
    const running = Array.from({ length: 12 }, (_, index) =>
      failure(
        operate(
          (operation) =>
            remoteCommand(pool).create(
              inputs({ create: `bash -c 'exec -a ${name}-${index} sleep 300'; true` }),
              operation,
            ),
          { operations },
        ),
      ),
    );
    await until(
      "eight commands run",
      () => processesWith(`${name}-`).filter((pid) => !isShell(pid)).length === 8,
    );
    await operations.cancel();
    expect(await Promise.all(running)).toEqual(Array.from({ length: 12 }, () => "cancelled"));
    expect(processesWith(name)).toEqual([]);
    expect(await failure(operate(async () => Promise.resolve(), { operations }))).toBe("cancelled");
  });

  test("a timeout bounds the wait for a machine that does not answer", async () => {
    const silent = await listen(() => undefined);
    const message = await failure(
      operate(
        (operation) =>
          remoteCommand(pool).create(
            inputs({ create: "true" }, { ...sshd.connection, port: silent.port }),
            operation,
          ),
        { seconds: 1 },
      ),
    );
    expect(message).toMatch(/not finished after 1 s/);
    await silent.close();
    // The next command starts a new attempt, and does not get the cancellation of the previous one.
    const next = create({ create: "true" }, { ...sshd.connection, port: silent.port, dialErrorLimit: 0 });
    expect(await failure(next)).toMatch(/connection refused/);
  });
});

function isShell(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("bash");
  } catch {
    return true; // It has just become something else, or nothing.
  }
}

describe("sessions", () => {
  test("many concurrent commands share one login", async () => {
    const before = sshd.logins();
    const outputs = await Promise.all(
      Array.from({ length: 30 }, (_, index) => stdout({ create: `echo ${index}` })),
    );
    expect(outputs).toEqual(Array.from({ length: 30 }, (_, index) => String(index)));
    expect(sshd.logins() - before).toBe(1);
  });

  test("a server that allows fewer than ten sessions gets no more than it allows", async () => {
    const small = await startSshd({ settings: ["MaxSessions 2"] });
    try {
      const outputs = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          stdout({ create: `sleep 0.1; echo ${index}` }, small.connection),
        ),
      );
      expect(outputs).toEqual(Array.from({ length: 8 }, (_, index) => String(index)));
      expect(small.logins()).toBe(1);
    } finally {
      await small.remove();
    }
  });

  test("a restart of the machine between two commands is not an error", async () => {
    const own = await startSshd();
    try {
      expect(await stdout({ create: "echo one" }, own.connection)).toBe("one");
      await own.crash();
      await own.start();
      expect(await stdout({ create: "echo two" }, own.connection)).toBe("two");
      expect(own.logins()).toBe(2);
    } finally {
      await own.remove();
    }
  });
});

describe("host keys", () => {
  test("a different host key is refused at once, with both fingerprints", async () => {
    const other = await startSshd({ stopped: true });
    const message = await failure(create({ create: "true" }, { ...sshd.connection, hostKey: other.hostKey }));
    expect(message).toMatch(
      /has another host key \(SHA256:\S{43}\) than connection.hostKey says \(SHA256:\S{43}\)/,
    );
    await other.remove();
  });

  test("a host key in the form of known_hosts is accepted", async () => {
    const hostKey = `[127.0.0.1]:${sshd.port} ${sshd.hostKey}`;
    expect(await stdout({ create: "echo in" }, { ...sshd.connection, hostKey })).toBe("in");
  });

  test("without a host key, there is one warning per connection, with advice", async () => {
    const { hostKey, ...connection } = sshd.connection;
    expect(hostKey).toMatch(/^ssh-ed25519 /);
    const { lines } = await create({ create: "true" }, connection);
    expect(lines.warn).toHaveLength(1);
    expect(lines.warn[0]).toMatch(/hostKey is not given .* `ssh-keyscan`/);
    expect((await create({ create: "true" }, connection)).lines.warn).toEqual([]);
    expect((await create({ create: "true" })).lines.warn).toEqual([]);
  });
});

describe("credentials", () => {
  test("a dead SSH_AUTH_SOCK is ignored if there is a private key", async () => {
    const before = process.env["SSH_AUTH_SOCK"];
    process.env["SSH_AUTH_SOCK"] = "/nope";
    try {
      expect(await stdout({ create: "echo in" })).toBe("in");
    } finally {
      if (before === undefined) delete process.env["SSH_AUTH_SOCK"];
      else process.env["SSH_AUTH_SOCK"] = before;
    }
  });

  test("an invalid private key is reported without its text", async () => {
    const message = await failure(
      create({ create: "true" }, { ...sshd.connection, privateKey: "canary-key" }),
    );
    expect(message).toMatch(/^connection.privateKey cannot be used/);
    expect(message).not.toContain("canary");
  });
});

interface Listener {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** A TCP server on loopback. */
async function listen(serve: (socket: Socket) => void, port = 0): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("first contact", () => {
  test("a port that accepts before the server is up is tried again with new connections", async () => {
    const ready = Date.now() + 4000;
    let silent = 0;
    const port = await listen((socket) => {
      if (Date.now() < ready || silent < 2)
        silent++; // As QEMU's hostfwd without a guest: accepted, and never served.
      else socket.pipe(connect(sshd.port, "127.0.0.1")).pipe(socket);
    });
    expect(await stdout({ create: "echo in" }, { ...sshd.connection, port: port.port })).toBe("in");
    expect(silent).toBeGreaterThan(1);
    await port.close();
  });

  test("a server that comes up later is found soon", async () => {
    const own = await startSshd({ stopped: true });
    let up = 0;
    setTimeout(() => {
      void own.start().then(() => (up = Date.now()));
    }, 3000);
    try {
      expect(await stdout({ create: "echo in" }, own.connection)).toBe("in");
      expect(Date.now() - up).toBeLessThan(120_000);
    } finally {
      await own.remove();
    }
  });

  test("if one of two operations that wait for a session is cancelled, the other gets it", async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let connections = 0;
    const port = await listen((socket) => {
      connections++;
      void opened.then(() => socket.pipe(connect(sshd.port, "127.0.0.1")).pipe(socket));
    });
    const connection = { ...sshd.connection, port: port.port };
    const operations = new Operations();
    const run = (operations?: Operations) =>
      operate(
        (operation) => remoteCommand(pool).create(inputs({ create: "echo in" }, connection), operation),
        {
          ...(operations ? { operations } : {}),
        },
      );
    try {
      const cancelled = failure(run(operations));
      await until("the first is connected", () => connections === 1);
      const kept = run();
      await operations.cancel();
      expect(await cancelled).toBe("cancelled");
      open();
      expect((await kept).value["stdout"]).toBe("in");
      expect(connections).toBe(1);
    } finally {
      await port.close();
    }
  });

  test("a low dialErrorLimit gives up soon, with the address, the reason and advice", async () => {
    const port = await freePort();
    const message = await failure(
      create({ create: "true" }, { ...sshd.connection, port, dialErrorLimit: 2 }),
    );
    expect(message).toMatch(
      new RegExp(
        `no SSH session with 127.0.0.1:${port} in \\d+ s and [3-9] attempts; the last one: connection refused.*dialErrorLimit`,
      ),
    );
  });

  test("perDialTimeout limits the wait for a banner", async () => {
    const port = await listen(() => undefined);
    const connection = { ...sshd.connection, port: port.port, dialErrorLimit: 1, perDialTimeout: 1 };
    const started = Date.now();
    expect(await failure(create({ create: "true" }, connection))).toMatch(/no SSH banner in 1 s/);
    expect(Date.now() - started).toBeLessThan(120_000);
    await port.close();
  });

  test("an error says that another service answers on the port", async () => {
    const port = await listen((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"));
    const message = await failure(
      create({ create: "true" }, { ...sshd.connection, port: port.port, dialErrorLimit: 0 }),
    );
    expect(message).toMatch(/something else than an SSH server answers: "HTTP\/1.1 400/);
    await port.close();
  });

  test("a delete on a machine that no longer exists ends within its time limit", async () => {
    const port = await freePort();
    const given = inputs({ delete: "true" }, { ...sshd.connection, port, dialErrorLimit: 1 });
    const started = Date.now();
    expect(await failure(operate((operation) => remoteCommand(pool).delete(given, {}, operation)))).toMatch(
      /no SSH session/,
    );
    expect(Date.now() - started).toBeLessThan(120_000);
  });
});

describe("through a proxy", () => {
  let proxy: SshServer;
  beforeAll(async () => {
    proxy = await startSshd();
  });
  afterAll(() => proxy.remove());

  test("commands run behind the proxy, and share both connections", async () => {
    const target = await startSshd();
    const connection = { ...target.connection, proxy: proxy.connection };
    try {
      const before = proxy.logins();
      const outputs = await Promise.all(
        [1, 2, 3, 4].map((index) => stdout({ create: `echo ${index}` }, connection)),
      );
      expect(outputs).toEqual(["1", "2", "3", "4"]);
      expect(target.logins()).toBe(1);
      expect(proxy.logins() - before).toBe(1);
    } finally {
      await target.remove();
    }
  });

  test("a machine behind the proxy that comes up later is waited for", async () => {
    const target = await startSshd({ stopped: true });
    setTimeout(() => void target.start(), 2000);
    try {
      expect(await stdout({ create: "echo in" }, { ...target.connection, proxy: proxy.connection })).toBe(
        "in",
      );
    } finally {
      await target.remove();
    }
  });

  test("a port behind the proxy that accepts but does not answer is tried again", async () => {
    const ready = Date.now() + 3000;
    const port = await listen((socket) => {
      if (Date.now() >= ready) socket.pipe(connect(sshd.port, "127.0.0.1")).pipe(socket);
    });
    const connection = { ...sshd.connection, port: port.port, proxy: proxy.connection };
    expect(await stdout({ create: "echo in" }, connection)).toBe("in");
    await port.close();
  });

  test("an error says that the machine behind the proxy cannot be reached", async () => {
    const connection = {
      ...sshd.connection,
      port: await freePort(),
      dialErrorLimit: 1,
      proxy: proxy.connection,
    };
    expect(await failure(create({ create: "true" }, connection))).toMatch(
      new RegExp(`through the proxy 127.0.0.1:${proxy.port}: .*refused`, "i"),
    );
  });
});
