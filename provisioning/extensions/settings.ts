/** The `extensions` part of a stack's settings: which eBPF extensions run, and with what options. */
import { z } from "zod";
import { extensionNames, type ExtensionName } from "./table.ts";

const extensionSchema = z.strictObject({
  /** Words of the loader's command line, instead of the table's. */
  options: z
    .array(z.string().regex(/^[\w@%+=:,./-]+$/, "must be a word of letters, digits and @%+=:,./_-"))
    .optional(),
  /** Fail where a machine cannot run it, and not just say so. */
  required: z.boolean().default(false),
});

/** An entry for each extension that is to be loaded. */
export const extensionsSchema = z.strictObject(
  Object.fromEntries(extensionNames.map((name) => [name, extensionSchema.optional()])) as Record<
    ExtensionName,
    z.ZodOptional<typeof extensionSchema>
  >,
);
export type ExtensionSettings = z.output<typeof extensionsSchema>;
