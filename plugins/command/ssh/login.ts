/** Authentication of a login: the methods in order, and the error if none is accepted. */
import type { AuthenticationType, ConnectConfig, NextAuthHandler } from "ssh2";
import { StepError } from "../errors.ts";
import { address, type Connection } from "./connection.ts";
import { readablePrivateKey } from "./privateKey.ts";

/** The server does not let the user in. */
export class LoginRefused extends StepError {
  override readonly name = "LoginRefused";
  /** The same login may be accepted in a moment, on a machine that is just being set up. */
  readonly mayChange: boolean;
  constructor(text: string, mayChange: boolean) {
    super(text);
    this.mayChange = mayChange;
  }
}

type Method = "publickey" | "agent" | "password" | "keyboard-interactive";

const words: Readonly<Record<Method, string>> = {
  publickey: "the private key",
  agent: "the keys of the SSH agent",
  password: "the password",
  "keyboard-interactive": "the password as an answer (keyboard-interactive)",
};

export class Login {
  readonly #connection: Connection;
  readonly #agent: string | undefined;
  #untried: Method[];
  #current: Method | undefined;
  #tried: Method[] = [];
  #accepted: Method[] = [];
  /** The methods that the server last reported as accepted. */
  #offered: readonly string[] = [];
  #agentKeys = 0;
  #agentFault: string | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    const { privateKey, password, agentSocketPath } = connection;
    // With a private key the agent is not needed, so a dead SSH_AUTH_SOCK does no harm then.
    this.#agent = agentSocketPath ?? (privateKey || password ? undefined : process.env["SSH_AUTH_SOCK"]);
    this.#untried = [
      ...(privateKey ? (["publickey"] as const) : []),
      ...(this.#agent ? (["agent"] as const) : []),
      ...(password ? (["password", "keyboard-interactive"] as const) : []),
    ];
  }

  /** For ssh2's `connect`. @throws StepError when the private key cannot be read */
  config(): Partial<ConnectConfig> {
    const { privateKey, privateKeyPassword, password } = this.#connection;
    return {
      ...(privateKey && {
        privateKey: readablePrivateKey(privateKey, privateKeyPassword),
        passphrase: privateKeyPassword,
      }),
      ...(password && { password }),
      ...(this.#agent && { agent: this.#agent }),
      authHandler: (left, partial, next) => this.#next(left, partial, next),
    };
  }

  /** Reads ssh2's debug messages, for the counts in messages. */
  debug(line: string): void {
    if (line.startsWith("Agent: Trying key")) this.#agentKeys++;
  }

  agentFailed(error: Error): void {
    this.#agentFault = error.message;
  }

  /** Like OpenSSH's client: "none" shows which methods the server accepts; each accepted step leads to the next one. */
  #next(left: readonly AuthenticationType[] | null, partial: boolean, next: NextAuthHandler): void {
    if (!left) {
      next("none");
      return;
    }
    this.#offered = left;
    if (partial && this.#current) this.#accepted.push(this.#current);
    const at = this.#untried.findIndex((method) => left.includes(method === "agent" ? "publickey" : method));
    this.#current = at < 0 ? undefined : this.#untried.splice(at, 1)[0];
    if (!this.#current) {
      next(false as unknown as AuthenticationType);
      return;
    }
    this.#tried.push(this.#current);
    if (this.#current === "keyboard-interactive") next(this.#keyboard());
    else next(this.#current);
  }

  /** Answers prompts without echo with the password; there is no answer to other prompts. */
  #keyboard(): Parameters<NextAuthHandler>[0] {
    const { user, password = "" } = this.#connection;
    return {
      type: "keyboard-interactive",
      username: user,
      prompt: (_name, _instructions, _language, prompts, finish) =>
        finish(prompts.map((prompt) => (prompt.echo ? "" : password))),
    };
  }

  /** Why the login failed, from the tried methods and those that the server accepts. */
  refused(): LoginRefused {
    const where = address(this.#connection);
    const offers = `the server takes ${this.#offered.join(", ") || "no method"}`;
    if (this.#accepted.length > 0) {
      const accepted = this.#accepted.map((method) => words[method]).join(" and ");
      return new LoginRefused(
        `${where} accepts ${accepted} and asks for more: ${offers}. Give connection.password or ` +
          "connection.privateKey beside it, and check them",
        true,
      );
    }
    if (this.#tried.length === 0) return this.#nothingToTry(where, offers);
    const tried = this.#tried.map((method) => words[method]).join(" or ");
    const fault = this.#agentFault === undefined ? "" : ` (the SSH agent: ${this.#agentFault})`;
    return new LoginRefused(
      `${where} does not accept ${tried} for this user${fault}; ${offers}. ` +
        "Check connection.user and the credentials, and the authorized keys on the machine",
      true,
    );
  }

  #nothingToTry(where: string, offers: string): LoginRefused {
    const { privateKey, password } = this.#connection;
    const given = [
      ...(privateKey ? [words.publickey] : []),
      ...(this.#agent ? [words.agent] : []),
      ...(password ? [words.password] : []),
    ];
    return new LoginRefused(
      given.length > 0
        ? `${where} takes none of what connection has (${given.join(", ")}): ${offers}`
        : `there is nothing to log in to ${where} with: give connection.privateKey, connection.password or ` +
            `connection.agentSocketPath, or set SSH_AUTH_SOCK; ${offers}`,
      given.length > 0,
    );
  }

  /** The server ended the login because of too many attempts. */
  tooMany(said: string): LoginRefused {
    const agent = this.#agentKeys > 0;
    return new LoginRefused(
      `${address(this.#connection)} ended the login ("${said}") after ` +
        (agent
          ? `${this.#agentKeys} keys of the SSH agent: give the right key as connection.privateKey, or an agent ` +
            "that holds it alone as connection.agentSocketPath, or raise MaxAuthTries of sshd"
          : `${this.#tried.map((method) => words[method]).join(" and ")}: raise MaxAuthTries of sshd`),
      false,
    );
  }
}
