/** The `extensions` part of a stack's settings: which eBPF extensions run, and with what options. */
import { z } from "zod";
import { extensionNames, type ExtensionName } from "./table.ts";

/** Fail where a machine cannot run it, and not just say so. */
const required = z.boolean().default(false);

const extensionSchema = z.strictObject({
  /** Words of the loader's command line, instead of the table's. */
  options: z
    .array(z.string().regex(/^[\w@%+=:,./-]+$/, "must be a word of letters, digits and @%+=:,./_-"))
    .optional(),
  required,
});

/** The FUSE extension (docs/fuse-extension.md): its options follow from the lab's mount and Redis. */
const fuseSchema = z.strictObject({
  /**
   * lease: while Redis tells of every change; ttl: for the rest of the daemon's own validity; shadow: lease, but the
   * daemon is asked all the same and the answers are compared; off: hooked, nothing is served.
   */
  mode: z.enum(["lease", "ttl", "shadow", "off"]).default("lease"),
  /** How old an answer under a lease may be. */
  boundMs: z.int().min(10).max(60_000).default(100),
  /** What is answered in the kernel. */
  opcodes: z
    .array(z.enum(["lookup", "getattr"]))
    .min(1)
    .default(["lookup", "getattr"]),
  required,
});
export type FuseSettings = z.output<typeof fuseSchema>;
/** What holds where only the benchmark's arms bring the extension. */
export const fuseDefaults: FuseSettings = fuseSchema.parse({});

type WithOptions = Exclude<ExtensionName, "fuse">;
const withOptions = extensionNames.filter((name): name is WithOptions => name !== "fuse");

/** An entry for each extension that is to be loaded. */
export const extensionsSchema = z.strictObject({
  ...(Object.fromEntries(withOptions.map((name) => [name, extensionSchema.optional()])) as Record<
    WithOptions,
    z.ZodOptional<typeof extensionSchema>
  >),
  fuse: fuseSchema.optional(),
});
export type ExtensionSettings = z.output<typeof extensionsSchema>;

/** Keys of one extension's entry. */
export function extensionShape(name: string): Record<string, unknown> {
  return name === "fuse" ? fuseSchema.shape : extensionSchema.shape;
}

/** Whether the mount's own cache times must be 0 for this to keep its bound. */
export function needsZeroCacheTimes(fuse: FuseSettings | undefined): boolean {
  return fuse?.mode === "lease" || fuse?.mode === "shadow";
}
