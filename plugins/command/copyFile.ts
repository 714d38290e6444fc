/** command:remote:CopyFile: copies one file to a machine. Deprecated by the schema; any change makes a new resource. */
import { copyTo } from "./copyToRemote.ts";
import { remotePathFaults } from "./files/remotePath.ts";
import { comparableConnection } from "./remoteCommand.ts";
import type { ResourceType } from "./resources.ts";
import { faultsOf, textOf, withSecretConnection, type Shape } from "./shapes.ts";
import type { Pool } from "./ssh/pool.ts";

const inputs: Record<string, Shape> = {
  connection: "connection",
  localPath: "text",
  remotePath: "text",
  triggers: "list",
};

export function copyFile(pool: Pool): ResourceType {
  return {
    check: (given) => ({
      inputs: withSecretConnection(given),
      faults: [
        ...faultsOf(given, inputs, ["connection", "localPath", "remotePath"]),
        ...remotePathFaults(given),
      ],
    }),
    comparable: comparableConnection,
    replaces: () => true,
    unknownOutputs: () => [],
    create: async (given, operation) => {
      const path = textOf(given, "localPath") ?? "";
      await copyTo(pool, given, { kind: "asset", path }, 0o644, operation);
      return withSecretConnection(given);
    },
    // Every change replaces, so there is nothing to update.
    update: (given) => Promise.resolve(withSecretConnection(given)),
    delete: () => Promise.resolve(),
  };
}
