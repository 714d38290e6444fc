/**
 * The commands with which a lab's resources create things on this computer that belong to no stack: `main.ts
 * image|extensions|loops|neo4j|rayMetrics|grafana ensure`.
 */
import { relative } from "node:path";
import { runAction, say } from "./action.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { buildExtensions } from "./builder/builder.ts";
import { buildLoops } from "./builder/loops.ts";
import { cacheFolder } from "./checkout.ts";
import { ensurePackage } from "./debian/vendorPackage.ts";
import { ensureImage } from "./image/image.ts";
import { ensureNeo4j } from "./neo4j.ts";
import { ensureRayMetrics } from "./rayMetrics.ts";
import type { LocalKernel } from "../provisioning/kernels.ts";
import { grafanaRelease } from "../provisioning/monitoring/grafana/release.ts";

await runAction({
  "image ensure": async ({ kernel }: { kernel: LocalKernel }) => {
    const image = await ensureImage(kernel, say);
    await chooseAccelerator(image, say);
    return { release: image.release };
  },
  // Relative to the cache, which may be elsewhere when this is read again.
  "extensions ensure": async () => ({ build: relative(cacheFolder, await buildExtensions(say)) }),
  "loops ensure": async () => ({ build: relative(cacheFolder, await buildLoops(say)) }),
  "neo4j ensure": async () => ({ build: relative(cacheFolder, await ensureNeo4j(say)) }),
  "rayMetrics ensure": async () => ({ build: relative(cacheFolder, await ensureRayMetrics(say)) }),
  "grafana ensure": async () => ({ file: relative(cacheFolder, await ensurePackage(grafanaRelease, say)) }),
});
