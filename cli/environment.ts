/**
 * Determines the environment of `pulumi`, for the lab's commands and for a shell after `eval "$(./lab env)"`. If the user is
 * logged in to a Pulumi backend, or has set one, that backend is used.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { quote } from "../provisioning/shell.ts";
import { Problem } from "./problem.ts";
import { recordedStacks } from "./record.ts";
import { inLab, nodeFolder } from "../workshop/checkout.ts";
import { createOnce } from "../workshop/createOnce.ts";

/** The inputs of the decision. */
export interface Situation {
  /** The environment that the lab was started with. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `.lab` of the checkout, absolute. */
  readonly lab: string;
  /** Folder of Node.js 24, absolute. */
  readonly node: string;
  /** Backend that the user is logged in to, from Pulumi's credentials file. */
  readonly login: string | undefined;
  /** False if SSH_AUTH_SOCK names a dead socket. */
  readonly agentAnswers: boolean;
}

export interface Environment {
  /** Location of the state: this checkout, or the backend of the user's login or settings. */
  readonly backend: "checkout" | "user";
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
  /** Messages for the user, one line each. */
  readonly notes: readonly string[];
}

/** The environment for a situation. Pure: it reads and writes nothing. */
export function decide(situation: Situation): Environment {
  const { env, lab, node } = situation;
  const set: Record<string, string> = {
    PATH: prepend([join(lab, "bin"), node], env.PATH ?? "/usr/local/bin:/usr/bin:/bin"),
    PULUMI_SKIP_UPDATE_CHECK: "1",
  };
  const unset: string[] = [];
  const notes: string[] = [];

  const reason = ownBackend(situation);
  if (reason === undefined) {
    set.PULUMI_HOME = join(lab, "pulumi-home");
    set.PULUMI_BACKEND_URL = `file://${join(lab, "state")}`;
    const file = join(lab, "passphrase");
    const own = env.PULUMI_CONFIG_PASSPHRASE ?? env.PULUMI_CONFIG_PASSPHRASE_FILE ?? file;
    if (own === file) set.PULUMI_CONFIG_PASSPHRASE_FILE = file;
  } else {
    notes.push(`state: your own backend (${reason}), not this checkout's .lab/state`);
  }
  if (env.SSH_AUTH_SOCK && !situation.agentAnswers) {
    unset.push("SSH_AUTH_SOCK");
    notes.push("SSH_AUTH_SOCK names a socket that does not answer: ignored");
  }
  return { backend: reason === undefined ? "checkout" : "user", set, unset, notes };
}

/** Why the user's own backend is used; undefined if there is none and the checkout's is used. */
function ownBackend({ env, lab, login }: Situation): string | undefined {
  // Inside a shell that has run `eval "$(./lab env)"` these are the lab's own values.
  if (env.PULUMI_BACKEND_URL && env.PULUMI_BACKEND_URL !== `file://${join(lab, "state")}`) {
    return "PULUMI_BACKEND_URL is set";
  }
  if (env.PULUMI_ACCESS_TOKEN) return "PULUMI_ACCESS_TOKEN is set";
  return login ? "you are logged in" : undefined;
}

/** PATH with some folders first, each folder once. */
function prepend(first: readonly string[], path: string): string {
  const rest = path.split(":").filter((folder) => folder !== "" && !first.includes(folder));
  return [...first, ...rest].join(":");
}

/** This process's situation. */
export async function situation(env: NodeJS.ProcessEnv = process.env): Promise<Situation> {
  return {
    env,
    lab: inLab(),
    node: nodeFolder,
    login: currentLogin(env),
    agentAnswers: await answers(env.SSH_AUTH_SOCK),
  };
}

/**
 * The environment for this process's situation. Creates the state folder and the passphrase if they are used.
 * @throws Problem when the passphrase is gone and the state is not: nothing could be read with another one
 */
export async function environment(env: NodeJS.ProcessEnv = process.env): Promise<Environment> {
  const result = decide(await situation(env));
  if (result.backend === "checkout") {
    mkdirSync(inLab("state"), { recursive: true, mode: 0o700 });
    // The state contains details of the lab, and an earlier version created it readable by others.
    chmodSync(inLab("state"), 0o700);
    if (result.set.PULUMI_CONFIG_PASSPHRASE_FILE) {
      const lost = unreadableStacks(inLab());
      if (lost.length > 0) throw new PassphraseLost(inLab("passphrase"), lost);
      makePassphrase(inLab("passphrase"));
    }
  }
  return result;
}

/** A process environment with the decision applied; for execa with `extendEnv: false`. */
export function apply(decision: Environment, env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const left = Object.entries(env).filter(([name]) => !decision.unset.includes(name));
  return { ...Object.fromEntries(left), ...decision.set };
}

/** Lines for `eval` in bash and zsh. */
export function shellLines(decision: Environment): string {
  const lines = [
    ...Object.entries(decision.set).map(([name, value]) => `export ${name}=${quote(value)}`),
    ...decision.unset.map((name) => `unset ${name}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** The backend recorded by `pulumi login`, read from the same file as Pulumi. */
export function currentLogin(env: NodeJS.ProcessEnv): string | undefined {
  const home = env.PULUMI_HOME && env.PULUMI_HOME !== inLab("pulumi-home") ? env.PULUMI_HOME : undefined;
  const file = join(env.PULUMI_CREDENTIALS_PATH ?? home ?? join(homedir(), ".pulumi"), "credentials.json");
  if (!existsSync(file)) return undefined;
  try {
    const { current } = JSON.parse(readFileSync(file, "utf8")) as { current?: string };
    return current === "" ? undefined : current;
  } catch {
    throw new Problem(
      `${file} is not a valid file of pulumi login (${statSync(file).size} bytes), so the lab cannot tell where your state is. ` +
        `If you use your own Pulumi backend, log in again: pulumi login. If not, remove the file: rm ${quote(file)}`,
    );
  }
}

/** Stacks whose state is in a `.lab` without a passphrase (an empty one does not count). */
export function unreadableStacks(lab: string): string[] {
  const file = join(lab, "passphrase");
  if (existsSync(file) && statSync(file).size > 0) return [];
  const folder = join(lab, "state", ".pulumi", "stacks");
  return existsSync(folder)
    ? readdirSync(folder).flatMap((project) => recordedStacks(join(folder, project)))
    : [];
}

/** Error for a lost passphrase, which must not be replaced as long as state encrypted with it exists. */
export class PassphraseLost extends Problem {
  constructor(file: string, stacks: readonly string[]) {
    super(
      `${file} is gone, and without it the secrets cannot be read in the state of: ${stacks.join(", ")}. ` +
        `Put it back from a copy; or end each stack without its record: ./lab down --stack ${stacks[0] ?? "NAME"}`,
    );
  }
}

/** Created once and never replaced, because the state's secrets are encrypted with it. */
export function makePassphrase(file: string): void {
  createOnce(file, () => `${randomBytes(24).toString("base64url")}\n`, 0o600);
}

/** Whether a unix socket accepts connections. */
async function answers(path: string | undefined): Promise<boolean> {
  if (!path) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
