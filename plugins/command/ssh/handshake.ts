/** Logs in over a stream whose banner has arrived: algorithms, host key, deadline. */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Client, ServerHostKeyAlgorithm } from "ssh2";
import { abortReason, message, StepError } from "../errors.ts";
import { address, hostKeyWords, type Connection } from "./connection.ts";
import { NotReady } from "./gate.ts";
import { Login } from "./login.ts";

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
    const login = new Login(connection);
    const offers = new Map<string, string>();
    let loggedIn = false;
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
      else if (error.level === "agent") login.agentFailed(error);
      else fail(failed(error, connection, login, offers));
    });
    client.on("close", closed);
    client.on("ready", () => {
      loggedIn = true;
      end(() => resolve(client));
    });
    if (signal.aborted) {
      stop();
      return;
    }
    try {
      client.connect({
        ...login.config(),
        sock: stream,
        username: connection.user,
        readyTimeout: 0,
        keepaliveInterval,
        keepaliveCountMax: keepaliveCount,
        // Packets of the session are reported here too, and are ignored.
        debug: (line: string) => {
          if (loggedIn) return;
          login.debug(line);
          const [, side, what = "", list = ""] = /^Handshake: \((remote)\) (.*?): (.*)$/.exec(line) ?? [];
          if (side) offers.set(what.toLowerCase(), list);
        },
        ...(connection.hostKey && {
          algorithms: { serverHostKey: algorithmsOf(connection.hostKey) },
          hostVerifier: (key: Buffer) => {
            wrongKey = compareHostKey(connection, connection.hostKey ?? "", key);
            return wrongKey === undefined;
          },
        }),
      });
    } catch (error) {
      fail(error instanceof StepError ? error : new StepError(badKey(error)));
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

/** Classifies a failed handshake: another attempt may succeed, or it is final. */
function failed(
  error: Error & { level?: string },
  connection: Connection,
  login: Login,
  offers: ReadonlyMap<string, string>,
): StepError {
  if (error.level === "client-authentication") return login.refused();
  if (/too many authentication failures/i.test(error.message)) return login.tooMany(error.message);
  const [, what] = /no matching (.*)$/.exec(error.message) ?? [];
  if (error.level === "handshake" && what) return nothingInCommon(what, connection, offers);
  return new NotReady(`the SSH handshake failed: ${error.message}`);
}

/** Client and server have no common algorithm of some kind: retrying does not help. */
function nothingInCommon(
  what: string,
  connection: Connection,
  offers: ReadonlyMap<string, string>,
): StepError {
  const names: Record<string, string> = { "key exchange algorithm": "kex method" };
  const offered = (offers.get(names[what] ?? what.toLowerCase()) ?? "what is not known").replaceAll(
    ",",
    ", ",
  );
  if (what === "host key format" && connection.hostKey) {
    const [type = ""] = hostKeyWords(connection.hostKey);
    return new StepError(
      `${address(connection)} has no host key of type ${type}, which connection.hostKey is; it has ${offered}. ` +
        "Give the line of one of those, as `ssh-keyscan` prints it, once checked",
    );
  }
  return new StepError(
    `${address(connection)} and this provider have no ${what} in common; the server offers ${offered}. ` +
      "Allow one of the usual ones in the server's sshd_config (sshd -T prints what it has)",
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
      `(${fingerprint(Buffer.from(base64, "base64"))}): it is a different machine, or the connection is intercepted. ` +
      "If the machine was made anew, give its new key",
  );
}

/** As `ssh-keygen -l` prints it. */
function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}
