/** The table of eBPF extensions. A name is a folder here, a key of the setting `extensions`, and a unit on a machine. */
import { z } from "zod";
import type { Extension } from "./extension.ts";
import { fuse } from "./fuse/extension.ts";
import { fuseLatency } from "./fuse-latency/extension.ts";
import { packetDma } from "./packet-dma/extension.ts";
import { redisSockmap } from "./redis-sockmap/extension.ts";
import { storageChain } from "./storage-chain/extension.ts";

const table = {
  "fuse-latency": fuseLatency,
  "packet-dma": packetDma,
  "redis-sockmap": redisSockmap,
  fuse,
  "storage-chain": storageChain,
};

export type ExtensionName = keyof typeof table;
export const extensionNames = Object.keys(table) as ExtensionName[];

/** Facts about each extension that do not depend on its settings. */
export const extensions: Readonly<Record<ExtensionName, Extension>> = table;

type Shape = { [Name in ExtensionName]: z.ZodOptional<(typeof table)[Name]["settings"]> };

/** The setting `extensions`: an entry for each extension to load. */
export const extensionsSchema = z.strictObject(
  Object.fromEntries(extensionNames.map((name) => [name, table[name].settings.optional()])) as Shape,
);
export type ExtensionSettings = z.output<typeof extensionsSchema>;

/** Keys of one extension's entry; undefined if there is no such extension. */
export function extensionShape(name: string): Record<string, unknown> | undefined {
  return name in table ? table[name as ExtensionName].settings.shape : undefined;
}
