/** command:remote:CopyToRemote: copies a file, a text or a folder to a machine. */
import { message } from "./errors.ts";
import { expanded, remotePathFaults } from "./files/remotePath.ts";
import { readSource, sourceHash } from "./files/source.ts";
import { upload } from "./files/upload.ts";
import type { Operation } from "./operation.ts";
import { comparableConnection } from "./remoteCommand.ts";
import type { Fault, ResourceType } from "./resources.ts";
import { faultsOf, textOf, withSecretConnection, type Shape } from "./shapes.ts";
import { readConnection } from "./ssh/connection.ts";
import type { Pool } from "./ssh/pool.ts";
import {
  hasUnknown,
  isSecret,
  plain,
  readAsset,
  secret,
  withHash,
  type Archive,
  type Asset,
  type Properties,
} from "./wire.ts";

const inputs: Record<string, Shape> = {
  connection: "connection",
  remotePath: "text",
  source: "source",
  triggers: "list",
};

/** Permission bits of a text's new file, and of one that is a secret. */
const textMode = 0o644;
const secretTextMode = 0o600;

export function copyToRemote(pool: Pool): ResourceType {
  const copy = async (given: Properties, operation: Operation): Promise<Properties> => {
    const source = readAsset(plain(given["source"] ?? null));
    if (source) {
      const mode = isSecret(given["source"]) ? secretTextMode : textMode;
      await copyTo(pool, given, source, mode, operation);
    }
    return withSecretConnection(given);
  };
  return {
    check: async (given) => {
      const faults = [
        ...faultsOf(given, inputs, ["connection", "remotePath", "source"]),
        ...remotePathFaults(given),
      ];
      const checked = await checkSource(withSecretConnection(given));
      return { inputs: checked.inputs, faults: [...faults, ...checked.faults] };
    },
    comparable: comparableConnection,
    replaces: (input) => input === "triggers",
    unknownOutputs: () => [],
    create: copy,
    // Whatever has changed, for example the host or a path: everything is compared with the remote files, and differences are sent.
    update: (given, _previous, operation) => copy(given, operation),
    delete: () => Promise.resolve(),
  };
}

/** Copies a source to the `remotePath` of the inputs. */
export async function copyTo(
  pool: Pool,
  given: Properties,
  source: Asset | Archive,
  mode: number,
  { signal, log }: Operation,
): Promise<void> {
  const files = await readSource(source);
  const connection = readConnection(plain(given["connection"] ?? null));
  const remotePath = expanded(textOf(given, "remotePath") ?? "");
  const { sent, unchanged } = await pool.use(connection, { signal, log }, (session) =>
    upload(session, files, remotePath, { mode }, signal),
  );
  log.debug(`${sent} files sent, ${unchanged} unchanged`);
}

/**
 * Replaces the engine's hash with our own. The engine's includes neither permission bits nor the contents of symbolic links to
 * folders; with ours, their changes are detected too, without a change of the schema.
 */
async function checkSource(given: Properties): Promise<{ inputs: Properties; faults: Fault[] }> {
  const value = given["source"];
  if (value === undefined || value === null || hasUnknown(value)) return { inputs: given, faults: [] };
  const source = readAsset(plain(value));
  const fault = (reason: string) => ({
    inputs: given,
    faults: [{ property: "source", reason: `source: ${reason}` }],
  });
  if (!source) return fault("it must be an asset or an archive");
  try {
    const hash = await sourceHash(await readSource(source));
    const hashed = withHash(plain(value), hash);
    return { inputs: { ...given, source: isSecret(value) ? secret(hashed) : hashed }, faults: [] };
  } catch (error) {
    return fault(message(error));
  }
}
