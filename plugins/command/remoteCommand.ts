/** command:remote:Command: runs `create`, `update` and `delete` on a machine over SSH. */
import { processFailed, StepError } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { Output, type Logging } from "./output.ts";
import { previousOutput } from "./previousOutput.ts";
import { redactorOf, type Redactor } from "./redact.ts";
import type { ResourceType } from "./resources.ts";
import { faultsOf, mapOf, textOf, withSecretConnection, type Shape } from "./shapes.ts";
import { address, essence, readConnection } from "./ssh/connection.ts";
import { refusedNames } from "./ssh/environment.ts";
import type { Pool } from "./ssh/pool.ts";
import { runRemotely } from "./ssh/remoteProcess.ts";
import { hasUnknown, plain, plainProperties, secret, type Properties } from "./wire.ts";

const inputs: Record<string, Shape> = {
  addPreviousOutputInEnv: "flag",
  connection: "connection",
  create: "text",
  delete: "text",
  environment: "map",
  logging: "logging",
  stdin: "text",
  triggers: "list",
  update: "text",
};

export function remoteCommand(pool: Pool): ResourceType {
  const outputsOf = async (
    command: string | undefined,
    given: Properties,
    previous: Properties,
    operation: Operation,
  ): Promise<Properties> => {
    const base = withSecretConnection(given);
    if (!command) return { ...base, stdout: "", stderr: "" };
    const redactor = redactorOf(given);
    const output = await run(pool, { command, inputs: given, previous, redactor }, operation, false);
    return { ...base, ...streams(output, redactor) };
  };
  return {
    check: (given) => ({
      inputs: withSecretConnection(given),
      faults: faultsOf(given, inputs, ["connection"]),
    }),
    comparable: comparableConnection,
    replaces: (input) => input === "triggers",
    unknownOutputs: () => ["stdout", "stderr"],
    create: (given, operation) => outputsOf(textOf(given, "create"), given, {}, operation),
    update: (given, previous, operation) =>
      outputsOf(textOf(given, "update") ?? textOf(given, "create"), given, previous, operation),
    delete: async (given, previous, operation) => {
      const command = textOf(given, "delete");
      if (!command) return;
      await run(pool, { command, inputs: given, previous, redactor: redactorOf(given) }, operation, true);
    },
  };
}

/** Plain inputs, with the connection reduced to what is relevant for a comparison. */
export function comparableConnection(given: Properties): Properties {
  const { connection, ...others } = plainProperties(given);
  if (connection === undefined || hasUnknown(connection))
    return { ...others, ...(connection && { connection }) };
  return { ...others, connection: essence(connection) };
}

/** The output of a command; a stream that contains one of the secret inputs is secret too. */
export function streams(output: Output, redactor: Redactor): Properties {
  const stream = (name: "stdout" | "stderr"): Properties[string] => {
    const text = output.text(name);
    return redactor.finds(text) ? secret(text) : text;
  };
  return { stdout: stream("stdout"), stderr: stream("stderr") };
}

export function loggingOf(given: Properties): Logging {
  return (textOf(given, "logging") as Logging | undefined) ?? "stdoutAndStderr";
}

interface Run {
  readonly command: string;
  readonly inputs: Properties;
  readonly previous: Properties;
  readonly redactor: Redactor;
}

async function run(pool: Pool, run: Run, operation: Operation, deleting: boolean): Promise<Output> {
  const { log, signal } = operation;
  const connection = readConnection(plain(run.inputs["connection"] ?? null));
  const environment = mapOf(run.inputs, "environment");
  const before = previousOutput(run.inputs, run.previous, (text) => log.warn(text));
  const output = new Output(loggingOf(run.inputs), run.redactor, (text) => log.info(text));
  const exit = await pool.use(connection, { signal, log, deleting }, async (session) => {
    const refused = await refusedNames(session, Object.keys(environment), signal);
    if (refused.length > 0) throw new StepError(notAccepted(refused, address(connection)));
    const named = Object.keys(before).filter((name) => run.command.includes(name));
    for (const name of await refusedNames(session, named, signal)) {
      log.warn(`the command speaks of ${name}, but ${acceptHint(address(connection), [name])}`);
    }
    return await runRemotely(
      session,
      {
        command: run.command,
        environment: { ...environment, ...before },
        stdin: textOf(run.inputs, "stdin"),
      },
      output,
      signal,
      (text) => log.warn(text),
    );
  });
  if (exit.status !== 0) throw processFailed(exit, output.tail());
  return output;
}

function acceptHint(where: string, names: readonly string[]): string {
  return `the SSH server of ${where} does not accept ${names.join(", ")} from outside (AcceptEnv in its sshd_config)`;
}

function notAccepted(names: readonly string[], where: string): string {
  return (
    `environment cannot be used here: ${acceptHint(where, names)}. Nothing was run. Put the values into the command ` +
    "itself (NAME=value command), and secrets on stdin, or let the server accept the names"
  );
}
