/** Decides whether a lab gets Grafana: by its settings, and by whether this computer can download the package. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors.js";
import { grafanaRelease } from "../provisioning/monitoring/grafana/release.ts";
import type { VendorPackage } from "../provisioning/vendorPackage.ts";
import { cacheFolder } from "../workshop/checkout.ts";
import { packageKey, whyUnavailable } from "../workshop/debian/vendorPackage.ts";
import { ensure } from "../workshop/ensure.ts";
import { labCommand } from "./labCommand.ts";
import type { Settings } from "./settings.ts";

/**
 * The package file on this computer, downloaded during `up`; undefined for a lab without Grafana.
 * @throws RunError if the settings require Grafana and the package is unavailable
 */
export async function grafanaFile(
  { monitoring, grafana }: Pick<Settings, "monitoring" | "grafana">,
  release: VendorPackage = grafanaRelease,
): Promise<pulumi.Output<string> | undefined> {
  if (!monitoring || grafana === "off") return undefined;
  const reason = await whyUnavailable(release);
  const what = `Grafana ${release.version}, which this computer downloads from ${release.repository}`;
  if (reason === undefined) {
    const made = ensure("grafana", "grafana", {}, { key: packageKey(release) });
    return made.stdout.apply((text) => join(cacheFolder, (JSON.parse(text) as { file: string }).file));
  }
  if (grafana === "on") {
    throw new RunError(
      `the setting grafana is on, but the lab cannot get ${what}: ${reason}\n` +
        `  give this computer access to that address (apt's proxy settings apply), or continue without Grafana: ` +
        labCommand(pulumi.getStack(), "up -c grafana=auto"),
    );
  }
  void pulumi.log.info(
    `left out: ${what}: ${reason}; ${labCommand(pulumi.getStack(), "open")} draws the same panels`,
  );
  return undefined;
}
