/** A real OpenSSH server on loopback for a test, with its own host key, settings, port and user keys. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../workshop/freePort.ts";

export interface SshServer {
  readonly port: number;
  /** The host key as in known_hosts, without the name. */
  readonly hostKey: string;
  /** Private key that the server accepts, in OpenSSH's format. */
  readonly privateKey: string;
  /** The login user: the one who runs the test. */
  readonly user: string;
  /** The `connection` of a command. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly privateKey: string;
    readonly hostKey: string;
  };
  /** Folder of this server, also for a test's files. */
  readonly folder: string;
  /** Everything the server has logged. */
  readonly log: () => string;
  /** Number of successful logins so far. */
  readonly logins: () => number;
  /** Ends the server. Its sessions continue, as after a restart of sshd. */
  readonly stop: () => Promise<void>;
  /** Ends the server and its sessions, but not the programs that they run. */
  readonly crash: () => Promise<void>;
  /** Ends everything and removes the folder. */
  readonly remove: () => Promise<void>;
  /** Starts it again on the same port with the same keys. */
  readonly start: () => Promise<void>;
}

export interface SshServerOptions {
  /** Additional lines for sshd_config; they come first and thus take precedence. */
  readonly settings?: readonly string[];
  /** Port to listen on. Default: a free one. */
  readonly port?: number;
  /** Leave the server stopped. */
  readonly stopped?: boolean;
}

/** Starts an sshd and waits until it listens. */
export async function startSshd(options: SshServerOptions = {}): Promise<SshServer> {
  const folder = mkdtempSync(join(tmpdir(), "sshd-"));
  const port = options.port ?? (await freePort());
  const { username: user, uid } = userInfo();
  // sshd run by root refuses to start without its privilege separation folder.
  if (uid === 0) mkdirSync("/run/sshd", { recursive: true });
  const keygen = (name: string): void => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", join(folder, name)]);
  };
  keygen("host_key");
  keygen("user_key");
  const config = join(folder, "sshd_config");
  const logFile = join(folder, "sshd.log");
  writeFileSync(
    config,
    [
      ...(options.settings ?? []),
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host_key")}`,
      `AuthorizedKeysFile ${join(folder, "user_key.pub")}`,
      `PidFile ${join(folder, "sshd.pid")}`,
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "Subsystem sftp internal-sftp",
      "LogLevel VERBOSE",
      "",
    ].join("\n"),
  );
  writeFileSync(logFile, "");
  // OpenSSH 9.8 and later blocks an address for some time after failed logins, which tests produce; older versions do not know this
  // option.
  const lenient = ["-o", "PerSourcePenalties no"];
  const known = spawnSync("/usr/sbin/sshd", ["-t", "-f", config, ...lenient]).status === 0;
  let server: ChildProcess | undefined;
  const log = (): string => readFileSync(logFile, "utf8");

  const start = async (): Promise<void> => {
    const before = log().length;
    const child = spawn("/usr/sbin/sshd", ["-D", "-f", config, "-E", logFile, ...(known ? lenient : [])], {
      stdio: "ignore",
      detached: true,
    });
    server = child;
    const end = Date.now() + 120_000;
    while (!log().slice(before).includes("Server listening")) {
      if (Date.now() > end || child.exitCode !== null) throw new Error(`sshd did not start:\n${log()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const stop = async (): Promise<void> => {
    const child = server;
    server = undefined;
    if (!child?.pid || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  const crash = async (): Promise<void> => {
    const sessions = server?.pid ? below(server.pid) : [];
    await stop();
    for (const pid of sessions) end(pid);
  };
  if (!options.stopped) await start();

  const hostKey = readFileSync(join(folder, "host_key.pub"), "utf8").trim();
  const privateKey = readFileSync(join(folder, "user_key"), "utf8");
  return {
    port,
    hostKey,
    privateKey,
    user,
    connection: { host: "127.0.0.1", port, user, privateKey, hostKey },
    folder,
    log,
    logins: () => log().match(/Accepted publickey/g)?.length ?? 0,
    start,
    stop,
    crash,
    remove: async () => {
      await crash();
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** The sshd processes that are descendants of one. */
function below(pid: number): number[] {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => {
      const [, name = "", parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(read(`/proc/${other}/stat`)) ?? [];
      return Number(parent) === pid && name.startsWith("sshd");
    });
  return [...children, ...children.flatMap(below)];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The process has just ended.
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
