/** What the lab must know of storage chains (docs/storage-chain.md). */
import { z } from "zod";
import { localKernelNames } from "../../provisioning/kernels.ts";
import { loaderWord, metricsFile, required, type Extension } from "../extension.ts";

const settings = z.strictObject({
  /** Who asks for the next node: wq, a worker; poll, who polls; irq, the interrupt, over an idle CPU (experimental). */
  mode: z.enum(["wq", "poll", "irq"]).default("wq"),
  /** Device with the image. auto: the local machines' data disk; on EC2, an instance store that is blank or has an image. */
  device: z.string().regex(loaderWord, "must be a path without spaces").default("auto"),
  /** How programs are attached; auto: struct_ops where the kernel has it. */
  backend: z.enum(["auto", "struct_ops", "tracepoint"]).default("auto"),
  /** Nodes of a chain at most. */
  hops: z.int().min(1).max(64).default(16),
  /** Whether nodes' checksums are compared. */
  checksums: z.boolean().default(true),
  required,
});
export type StorageChainSettings = z.output<typeof settings>;

export const storageChain = {
  title: "an index lookup of many dependent reads as one read (a kernel module, device-mapper)",
  // A module is built for a kernel: those of the builder.
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
