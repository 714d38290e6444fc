/** Description of the extension storage-chain (docs/storage-chain.md). */
import { z } from "zod";
import { localKernelNames } from "../../provisioning/kernels.ts";
import { loaderWord, metricsFile, required, type Extension } from "../extension.ts";

const settings = z.strictObject({
  /** Who requests the next node: wq, a worker; poll, the polling task; irq, the interrupt on an idle CPU (experimental). */
  mode: z.enum(["wq", "poll", "irq"]).default("wq"),
  /** Device with the image. auto: the local machines' data disk; on EC2, an instance store that is blank or has an image. */
  device: z.string().regex(loaderWord, "must be a path without spaces").default("auto"),
  /** How programs are attached; auto: struct_ops if the kernel has it. */
  backend: z.enum(["auto", "struct_ops", "tracepoint"]).default("auto"),
  /** Maximum number of nodes in a chain. */
  hops: z.int().min(1).max(64).default(16),
  /** Whether each node's checksum is verified. */
  checksums: z.boolean().default(true),
  required,
});
export type StorageChainSettings = z.output<typeof settings>;

export const storageChain = {
  title: "an index lookup of many dependent reads as one read (a kernel module, device-mapper)",
  // The builder builds the module for the local kernels only.
  kernels: localKernelNames,
  programTypes: ["STRUCT_OPS", "RAW_TRACEPOINT_WRITABLE"],
  needs: ["btf", "bpffs", "module"],
  role: "client",
  settings,
  options: ({ mode, device, backend, hops, checksums }: StorageChainSettings): string[] => [
    ...["--device", device, "--mode", mode, "--backend", backend, "--hops", String(hops)],
    ...(checksums ? [] : ["--no-crc"]),
    ...["--prometheus", metricsFile("storage-chain"), "--interval", "15"],
  ],
} as const satisfies Extension<StorageChainSettings>;
