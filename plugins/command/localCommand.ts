/** command:local:Command and command:local:run: run a command on this machine. */
import { processFailed } from "./errors.ts";
import { collectArchive, collectAssets } from "./globbed.ts";
import { runLocally } from "./localProcess.ts";
import type { Operation } from "./operation.ts";
import { Output } from "./output.ts";
import { previousOutput } from "./previousOutput.ts";
import { redactorOf } from "./redact.ts";
import { loggingOf, streams } from "./remoteCommand.ts";
import type { Fault, ResourceType } from "./resources.ts";
import { faultsOf, mapOf, textOf, textsOf, type Shape } from "./shapes.ts";
import { plainProperties, type Properties } from "./wire.ts";

const common: Record<string, Shape> = {
  addPreviousOutputInEnv: "flag",
  archivePaths: "texts",
  assetPaths: "texts",
  dir: "text",
  environment: "map",
  interpreter: "texts",
  logging: "logging",
  stdin: "text",
};

const inputs: Record<string, Shape> = {
  ...common,
  create: "text",
  delete: "text",
  triggers: "list",
  update: "text",
};

/** The schema's default of `interpreter`. */
const defaultInterpreter = ["/bin/sh", "-c"];

export const localCommand: ResourceType = {
  check: (given) => ({ inputs: given, faults: faultsOf(given, inputs, []) }),
  comparable: plainProperties,
  replaces: (input) => input === "triggers",
  unknownOutputs: (given) => [
    "stdout",
    "stderr",
    ...(given["assetPaths"] === undefined ? [] : ["assets"]),
    ...(given["archivePaths"] === undefined ? [] : ["archive"]),
  ],
  create: (given, operation) => run(textOf(given, "create"), given, {}, operation),
  update: (given, previous, operation) =>
    run(textOf(given, "update") ?? textOf(given, "create"), given, previous, operation),
  delete: async (given, previous, operation) => {
    await run(textOf(given, "delete"), given, previous, operation);
  },
};

/** The faults of the arguments of command:local:run. */
export function runFaults(given: Properties): Fault[] {
  return faultsOf(given, { ...common, command: "text" }, ["command"]);
}

/** command:local:run: runs at every preview and update. */
export function localRun(given: Properties, operation: Operation): Promise<Properties> {
  return run(textOf(given, "command"), given, {}, operation);
}

async function run(
  command: string | undefined,
  given: Properties,
  previous: Properties,
  { log, signal }: Operation,
): Promise<Properties> {
  if (!command) return { ...given, stdout: "", stderr: "" };
  const redactor = redactorOf(given);
  const output = new Output(loggingOf(given), redactor, (text) => log.info(text));
  const interpreter = textsOf(given, "interpreter") ?? [];
  const dir = textOf(given, "dir");
  const exit = await runLocally(
    {
      command: [...(interpreter.length > 0 ? interpreter : defaultInterpreter), command],
      dir,
      environment: {
        ...mapOf(given, "environment"),
        ...previousOutput(given, previous, (text) => log.warn(text)),
      },
      stdin: textOf(given, "stdin"),
    },
    output,
    signal,
    (text) => log.warn(text),
  );
  if (exit.status !== 0) throw processFailed(exit, output.tail());
  const assetPaths = textsOf(given, "assetPaths");
  const archivePaths = textsOf(given, "archivePaths");
  return {
    ...given,
    ...streams(output, redactor),
    ...(assetPaths && { assets: await collectAssets(dir ?? ".", assetPaths, signal) }),
    ...(archivePaths && { archive: await collectArchive(dir ?? ".", archivePaths, signal) }),
  };
}
