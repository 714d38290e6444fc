/** From a stream with a banner to a session that has logged in: host key, credentials, deadline. */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Client, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { abortReason, message, StepError } from "../errors.ts";
import { address, hostKeyWords, type Connection } from "./connection.ts";
import { NotReady } from "./gate.ts";

/** The server does not let the user in. Tried again a few times only: keys may be written after sshd starts. */
export class LoginRefused extends StepError {
  override readonly name = "LoginRefused";
}

const keepaliveInterval = 15_000;
/** Unanswered keepalives after which a session is dead. */
const keepaliveCount = 4;

/** Logs in on a stream; the stream belongs to the client afterwards, and is closed if this fails. */
export async function handshake(
  stream: Duplex,
  connection: Connection,
  milliseconds: number,
  signal: AbortSignal,
): Promise<Client> {
  // Loaded when it is needed: most starts of this process connect to nothing.
  const { default: ssh2 } = await import("ssh2");
  return await new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let wrongKey: StepError | undefined;
    const end = (outcome: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      client.removeListener("close", closed);
      outcome();
    };
    const fail = (error: Error): void =>
      end(() => {
        client.destroy();
        stream.destroy();
        reject(error);
      });
    const stop = (): void => fail(abortReason(signal));
    const closed = (): void => fail(new NotReady("the connection was closed during the SSH handshake"));
    const timer = setTimeout(
      () => fail(new NotReady(`the SSH handshake was not finished in ${milliseconds / 1000} s`)),
      milliseconds,
    );
    signal.addEventListener("abort", stop);
    client.on("error", (error: Error & { level?: string }) => {
      if (wrongKey) fail(wrongKey);
      else if (error.level === "client-authentication") fail(refused(connection));
      else if (error.level !== "agent") fail(new NotReady(`the SSH handshake failed: ${error.message}`));
    });
    client.on("close", closed);
    client.on("ready", () => end(() => resolve(client)));
    if (signal.aborted) {
      stop();
      return;
    }
    try {
      client.connect({
        ...credentials(connection),
        sock: stream,
        username: connection.user,
        readyTimeout: 0,
        keepaliveInterval,
        keepaliveCountMax: keepaliveCount,
        ...(connection.hostKey && {
          algorithms: { serverHostKey: algorithmsOf(connection.hostKey) },
          hostVerifier: (key: Buffer) => {
            wrongKey = compareHostKey(connection, connection.hostKey ?? "", key);
            return wrongKey === undefined;
          },
        }),
      });
    } catch (error) {
      fail(new StepError(badKey(error)));
    }
  });
}

function badKey(error: unknown): string {
  const reason = message(error);
  if (/passphrase/i.test(reason)) {
    return "connection.privateKey is encrypted: connection.privateKeyPassword must be given and right";
  }
  return `connection.privateKey cannot be used: ${reason.replace(/^Cannot parse privateKey: /, "")}`;
}

/** How to prove who we are. A private key makes the agent unneeded, so a dead SSH_AUTH_SOCK does no harm then. */
function credentials(connection: Connection): Partial<ConnectConfig> {
  const { privateKey, privateKeyPassword, password, agentSocketPath } = connection;
  const agent = agentSocketPath ?? (privateKey || password ? undefined : process.env["SSH_AUTH_SOCK"]);
  return {
    ...(privateKey && { privateKey: `${privateKey.trim()}\n`, passphrase: privateKeyPassword }),
    ...(password && { password, tryKeyboard: false }),
    ...(agent && { agent }),
  };
}

function refused(connection: Connection): LoginRefused {
  const { privateKey, password, agentSocketPath } = connection;
  const tried = [
    ...(privateKey ? ["the private key"] : []),
    ...(password ? ["the password"] : []),
    ...(agentSocketPath || !(privateKey || password) ? ["the keys of the SSH agent"] : []),
  ];
  return new LoginRefused(
    `${address(connection)} does not accept ${tried.join(" or ")} for this user; ` +
      "check connection.user and the credentials, and the authorized keys on the machine",
  );
}

/** The algorithms with which a server can prove that it has this key. */
function algorithmsOf(hostKey: string): ServerHostKeyAlgorithm[] {
  const [type = ""] = hostKeyWords(hostKey);
  return (
    type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type]
  ) as ServerHostKeyAlgorithm[];
}

function compareHostKey(connection: Connection, expected: string, key: Buffer): StepError | undefined {
  const [, base64 = ""] = hostKeyWords(expected);
  if (key.equals(Buffer.from(base64, "base64"))) return undefined;
  return new StepError(
    `${address(connection)} has another host key (${fingerprint(key)}) than connection.hostKey says ` +
      `(${fingerprint(Buffer.from(base64, "base64"))}): it is another machine, or somebody is between. ` +
      "If the machine was made anew, give its new key",
  );
}

/** As `ssh-keygen -l` prints it. */
function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}
