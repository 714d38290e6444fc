/** A folder on a machine with a copy of one on this computer. When it is deleted, the whole folder is removed. */
import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine.ts";
import { RemoteFiles, RemoteStep } from "../remote.ts";

/** Script that creates a folder on a machine. */
export const createFolder = new URL("./create.sh", import.meta.url);

export interface CopiedFolderArgs {
  readonly machine: Machine;
  /** The folder on this computer. */
  readonly source: pulumi.Input<string>;
  /** The folder on the machine. */
  readonly folder: string;
  /** End of the names of both resources; none by default. */
  readonly suffix?: string;
}

/** Creates the folder and copies into it; `opts` are those of the first step. */
export function copiedFolder(
  name: string,
  { machine, source, folder, suffix = "" }: CopiedFolderArgs,
  opts: pulumi.ComponentResourceOptions,
): RemoteFiles {
  const place = new RemoteStep(
    `${name}-place${suffix}`,
    {
      machine,
      run: { file: createFolder, args: [folder] },
      undo: { file: new URL("./remove.sh", import.meta.url), args: [folder] },
    },
    opts,
  );
  return new RemoteFiles(
    `${name}-files${suffix}`,
    { machine, source: pulumi.interpolate`${source}/`, path: folder },
    { ...(opts.parent && { parent: opts.parent }), dependsOn: [place] },
  );
}
