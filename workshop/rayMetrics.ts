/**
 * Assembles the packages that Ray's own metrics need in one folder of the cache, for labs with `rayMetrics`. They are not in the
 * nodes' Python environment: where Ray finds them, every node's helper process does more work.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { timed } from "./builder/builder.ts";
import { noteUse } from "./cache/cacheUse.ts";
import { makeOnce } from "./cache/makeOnce.ts";
import { cacheFolder } from "./checkout.ts";
import { pipForNodes } from "./pip.ts";

const requirements = fileURLToPath(new URL("../provisioning/ray/metrics/requirements.txt", import.meta.url));

/** Hash of the list of packages. */
export function rayMetricsKey(): string {
  return createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 16);
}

/** The folder, created if it is not in the cache. `say` gets one line per step. */
export async function ensureRayMetrics(say: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder, "ray-metrics", rayMetricsKey());
  noteUse("ray-metrics", "packages", rayMetricsKey());
  await makeOnce(folder, say, (partial) =>
    timed(say, "Python packages of Ray's metrics", () =>
      pipForNodes(["install", "--no-compile", "--target", partial], requirements),
    ),
  );
  return folder;
}
