/** The eBPF extensions that the settings and the benchmark's arms ask for, built once here and put on their machines. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ExtensionOnNode, type Verdict } from "../bpf/pipeline/extensionOnNode.ts";
import { extensionNames, extensions, type ExtensionName, type ExtensionSettings } from "../bpf/table.ts";
import { withRole, type Machine } from "../provisioning/machine.ts";
import { buildKey } from "../workshop/builder/builder.ts";
import { cacheFolder, inCheckout } from "../workshop/checkout.ts";
import { ensure } from "../workshop/ensure.ts";
import type { Cluster } from "./cluster.ts";

/** What one machine says of one extension. */
export interface ExtensionOutput {
  readonly extension: ExtensionName;
  readonly node: string;
  readonly verdict: pulumi.Output<Verdict>;
  /** It stays loaded; others are started by arms of the benchmark alone. */
  readonly keepLoaded: boolean;
}

export interface Extensions {
  readonly outputs: readonly ExtensionOutput[];
  readonly resources: readonly pulumi.Resource[];
  /** What a benchmark's result depends on: build, settings by extension, and which stay loaded. */
  readonly facts: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Loads each extension of the settings after the services that it watches are up. Those that arms switch are put on every
 * client besides, proven and stopped again.
 */
export function loadExtensions(
  settings: ExtensionSettings,
  cluster: Cluster,
  ofArms: readonly ExtensionName[],
): Extensions {
  const uses = usesOf(settings, cluster.machines, ofArms);
  if (uses.length === 0) return { outputs: [], resources: [], facts: undefined };
  const key = buildKey(inCheckout("bpf"));
  const built = ensure("extensions", "extensions", {}, { key });
  const build = built.stdout.apply((text) =>
    join(cacheFolder, (JSON.parse(text) as { build: string }).build),
  );
  const loaded = uses.map(({ extension, machine, keepLoaded }) => {
    const own = settingsOf(extension, settings);
    const { mountPoint, meta, passwordFile } = cluster.juicefs;
    const { privateAddress } = machine;
    const options = extensions[extension].options(own, { mountPoint, meta, passwordFile, privateAddress });
    const resource = new ExtensionOnNode(
      `${extension}-${machine.name}`,
      { machine, extension, build, options, required: own.required, keepLoaded },
      { dependsOn: [...cluster.up] },
    );
    return { extension, node: machine.name, verdict: resource.verdict, keepLoaded, resource };
  });
  const used = extensionNames.filter((name) => uses.some(({ extension }) => extension === name));
  const kept = extensionNames.filter((name) => settings[name] !== undefined);
  return {
    facts: {
      build: key,
      settings: Object.fromEntries(used.map((name) => [name, settingsOf(name, settings)])),
      kept,
    },
    outputs: loaded.map(({ extension, node, verdict, keepLoaded }) => ({
      extension,
      node,
      verdict,
      keepLoaded,
    })),
    resources: loaded.map(({ resource }) => resource),
  };
}

/** The settings of an extension: those of the stack, or the defaults where only an arm brings it. */
function settingsOf(extension: ExtensionName, settings: ExtensionSettings) {
  return settings[extension] ?? extensions[extension].settings.parse({});
}

interface Use {
  readonly extension: ExtensionName;
  readonly machine: Machine;
  /** False where only arms of the benchmark load it. */
  readonly keepLoaded: boolean;
}

/** Which extension goes on which machine, each pair once. */
export function usesOf(
  settings: ExtensionSettings,
  machines: readonly Machine[],
  ofArms: readonly ExtensionName[],
): Use[] {
  return extensionNames.flatMap((extension) => {
    const kept = settings[extension] === undefined ? [] : withRole(machines, extensions[extension].role);
    const switched = ofArms.includes(extension) ? withRole(machines, "client") : [];
    return machines
      .filter((machine) => kept.includes(machine) || switched.includes(machine))
      .map((machine) => ({ extension, machine, keepLoaded: kept.includes(machine) }));
  });
}
