/** The `connection` input: its fields, their defaults, and when two connections are equivalent. */
import { createHash } from "node:crypto";
import { isObject, plain, unknown, type Value } from "../wire.ts";

export interface Connection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly privateKey?: string;
  readonly privateKeyPassword?: string;
  readonly agentSocketPath?: string;
  /** One line as in authorized_keys or known_hosts; the host key is not checked if it is absent. */
  readonly hostKey?: string;
  /** Limit for the first contact: see gate.ts. -1 means no limit. */
  readonly dialErrorLimit: number;
  /** Time limit in seconds for the TCP connection and banner of one attempt; 0 means no limit. */
  readonly perDialTimeout: number;
  readonly proxy?: Connection;
}

/** The schema's defaults. */
export const defaults = { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 } as const;

const fields = {
  host: "string",
  port: "number",
  user: "string",
  password: "string",
  privateKey: "string",
  privateKeyPassword: "string",
  agentSocketPath: "string",
  hostKey: "string",
  dialErrorLimit: "number",
  perDialTimeout: "number",
} as const;

/** The faults of a connection, one line each, without any of its values. */
export function connectionFaults(value: Value, path = "connection"): string[] {
  const connection = plain(value);
  if (connection === unknown) return [];
  if (!isObject(connection)) return [`${path} must be an object with at least "host"`];
  const allowed = [...Object.keys(fields), ...(path === "connection" ? ["proxy"] : [])];
  const faults = Object.entries(connection).flatMap(([key, field]) => {
    if (!allowed.includes(key))
      return [`${path} has no field "${key}"; its fields are ${allowed.join(", ")}`];
    if (field === unknown || field === null) return [];
    if (key === "proxy") return connectionFaults(field, `${path}.proxy`);
    const type = fields[key as keyof typeof fields];
    return typeof field === type ? [] : [`${path}.${key} must be a ${type}`];
  });
  if (connection["host"] === undefined || connection["host"] === "") faults.push(`${path}.host is missing`);
  const port = connection["port"];
  if (typeof port === "number" && (!Number.isInteger(port) || port < 1 || port > 65535)) {
    faults.push(`${path}.port must be a whole number from 1 to 65535`);
  }
  return faults;
}

/** Reads a valid connection. */
export function readConnection(value: Value): Connection {
  const given = plain(value) as Record<string, Value>;
  const text = (key: string): string | undefined => {
    const field = given[key];
    return typeof field === "string" && field !== "" ? field : undefined;
  };
  const number = (key: keyof typeof defaults): number => {
    const field = given[key];
    return typeof field === "number" ? field : Number(defaults[key]);
  };
  return {
    host: text("host") ?? "",
    port: number("port"),
    user: text("user") ?? defaults.user,
    password: text("password"),
    privateKey: text("privateKey"),
    privateKeyPassword: text("privateKeyPassword"),
    agentSocketPath: text("agentSocketPath"),
    hostKey: text("hostKey"),
    dialErrorLimit: number("dialErrorLimit"),
    perDialTimeout: number("perDialTimeout"),
    proxy: isObject(given["proxy"]) ? readConnection(given["proxy"]) : undefined,
  };
}

/**
 * The connection with its defaults filled in, and without what does not affect a command: white space around keys, the comment
 * of a host key, and the limits of the first contact. If two connections have the same essence, nothing has changed.
 */
export function essence(value: Value): Value {
  const connection = readConnection(value);
  const { host, port, user, password, privateKey, privateKeyPassword, agentSocketPath, hostKey, proxy } =
    connection;
  const present = {
    host,
    port,
    user,
    password,
    privateKey: privateKey?.trim(),
    privateKeyPassword,
    agentSocketPath,
    hostKey: hostKey && hostKeyWords(hostKey).join(" "),
    proxy: proxy && essence(proxy as unknown as Value),
  };
  return JSON.parse(JSON.stringify(present)) as Value;
}

/** An id that differs between connections that need separate sessions. Contains no secrets. */
export function connectionId(connection: Connection): string {
  return createHash("sha256")
    .update(JSON.stringify(essence(connection as unknown as Value)))
    .digest("hex");
}

/** The type and the base64 text of a host key line, in any of the usual forms. */
export function hostKeyWords(line: string): string[] {
  const words = line.trim().split(/\s+/);
  const at = words.findIndex((word) => /^(ssh|ecdsa|sk)-/.test(word));
  return at < 0 ? words : words.slice(at, at + 2);
}

/** The destination of a connection, for messages. */
export function address(connection: Connection): string {
  const host = connection.host.includes(":") ? `[${connection.host}]` : connection.host;
  return `${host}:${connection.port}`;
}
