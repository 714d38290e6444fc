/** The eBPF extensions that the settings and the benchmark's arms ask for, built once here and put on their machines. */
import * as pulumi from "@pulumi/pulumi";
import { fuseOptions } from "../provisioning/extensions/fuse.ts";
import { ExtensionOnNode, type Verdict } from "../provisioning/extensions/extension.ts";
import { extensionNames, extensions, type ExtensionName } from "../provisioning/extensions/table.ts";
import { fuseDefaults, type ExtensionSettings } from "../provisioning/extensions/settings.ts";
import { withRole, type Machine } from "../provisioning/machine.ts";
import type { Lab } from "./lab.ts";
import { buildKey } from "./local/builder.ts";
import { ensure } from "./local/ensure.ts";

/** What one machine says of one extension. */
export interface ExtensionOutput {
  readonly extension: ExtensionName;
  readonly node: string;
  readonly verdict: pulumi.Output<Verdict>;
}

export interface Extensions {
  readonly outputs: readonly ExtensionOutput[];
  readonly resources: readonly pulumi.Resource[];
  /** What a benchmark's result depends on: build, options by extension, and which stay loaded. */
  readonly facts: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Loads each extension of the settings after the services that it watches are up. Those that arms switch are put on every
 * client besides, proven and stopped again.
 */
export function loadExtensions(
  settings: ExtensionSettings,
  lab: Lab,
  source: string,
  ofArms: readonly ExtensionName[],
): Extensions {
  const places = placesOf(settings, lab.machines, ofArms);
  if (places.length === 0) return { outputs: [], resources: [], facts: undefined };
  const key = buildKey(source);
  const built = ensure("extensions", "extensions", {}, { key });
  const build = built.stdout.apply((text) => (JSON.parse(text) as { folder: string }).folder);
  const loaded = places.map(({ extension, machine, keepLoaded }) => {
    const options = optionsOf(extension, settings, lab);
    const required = settings[extension]?.required;
    const resource = new ExtensionOnNode(
      `${extension}-${machine.name}`,
      { machine, extension, build, options, required, keepLoaded },
      { dependsOn: [...lab.up] },
    );
    return { extension, node: machine.name, verdict: resource.verdict, resource };
  });
  const options = Object.fromEntries(
    places.map(({ extension }) => [
      extension,
      extension === "fuse"
        ? (settings.fuse ?? fuseDefaults)
        : (settings[extension]?.options ?? extensions[extension].options),
    ]),
  );
  const kept = extensionNames.filter((name) => settings[name] !== undefined);
  return {
    facts: { build: key, options, kept },
    outputs: loaded.map(({ extension, node, verdict }) => ({ extension, node, verdict })),
    resources: loaded.map(({ resource }) => resource),
  };
}

interface Place {
  readonly extension: ExtensionName;
  readonly machine: Machine;
  /** False where only arms of the benchmark load it. */
  readonly keepLoaded: boolean;
}

/** Which extension goes on which machine, each pair once. */
export function placesOf(
  settings: ExtensionSettings,
  machines: readonly Machine[],
  ofArms: readonly ExtensionName[],
): Place[] {
  return extensionNames.flatMap((extension) => {
    const kept = settings[extension] === undefined ? [] : withRole(machines, extensions[extension].role);
    const switched = ofArms.includes(extension) ? withRole(machines, "client") : [];
    return machines
      .filter((machine) => kept.includes(machine) || switched.includes(machine))
      .map((machine) => ({ extension, machine, keepLoaded: kept.includes(machine) }));
  });
}

/** Words for the loader, where the settings give any. */
function optionsOf(
  extension: ExtensionName,
  settings: ExtensionSettings,
  { juicefs }: Lab,
): readonly pulumi.Input<string>[] | undefined {
  return extension === "fuse"
    ? fuseOptions(settings.fuse ?? fuseDefaults, juicefs)
    : settings[extension]?.options;
}
