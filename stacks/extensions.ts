/** Builds the eBPF extensions that the settings and the benchmark's arms request, and installs them on the machines. */
import * as pulumi from "@pulumi/pulumi";
import { ExtensionOnNode, type Verdict } from "../bpf/pipeline/extensionOnNode.ts";
import { extensionNames, extensions, type ExtensionName, type ExtensionSettings } from "../bpf/table.ts";
import { withRole, type Machine } from "../provisioning/machine.ts";
import { buildKey } from "../workshop/builder/builder.ts";
import { inCheckout } from "../workshop/checkout.ts";
import { ensureFolder } from "../workshop/ensure.ts";
import type { Cluster } from "./cluster.ts";

/** The result of one extension on one machine. */
export interface ExtensionOutput {
  readonly extension: ExtensionName;
  readonly node: string;
  readonly verdict: pulumi.Output<Verdict>;
  /** True if it stays loaded; otherwise only the benchmark's arms start it. */
  readonly keepLoaded: boolean;
}

export interface Extensions {
  readonly outputs: readonly ExtensionOutput[];
  readonly resources: readonly pulumi.Resource[];
  /** Facts that a benchmark's result depends on: build, settings by extension, and which stay loaded. */
  readonly facts: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Loads each configured extension after the services that it observes are up. Extensions that only arms use are installed on
 * every client, verified, and stopped again.
 */
export function loadExtensions(
  settings: ExtensionSettings,
  cluster: Cluster,
  ofArms: readonly ExtensionName[],
): Extensions {
  const uses = usesOf(settings, cluster.machines, ofArms);
  if (uses.length === 0) return { outputs: [], resources: [], facts: undefined };
  const key = buildKey(inCheckout("bpf"));
  const build = ensureFolder("extensions", "extensions", key);
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

/** The stack's settings of an extension, or its defaults if only an arm uses it. */
function settingsOf(extension: ExtensionName, settings: ExtensionSettings) {
  return settings[extension] ?? extensions[extension].settings.parse({});
}

interface Use {
  readonly extension: ExtensionName;
  readonly machine: Machine;
  /** False if only the benchmark's arms load it. */
  readonly keepLoaded: boolean;
}

/** Which extension is installed on which machine, each pair once. */
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
