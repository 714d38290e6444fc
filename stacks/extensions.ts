/** The eBPF extensions that the settings ask for, built once here and put on every machine that each is for. */
import * as pulumi from "@pulumi/pulumi";
import { ExtensionOnNode, type Verdict } from "../provisioning/extensions/extension.ts";
import { extensionNames, extensions, type ExtensionName } from "../provisioning/extensions/table.ts";
import type { ExtensionSettings } from "../provisioning/extensions/settings.ts";
import { withRole } from "../provisioning/machine.ts";
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
}

/** Loads each extension of the settings after the services that it watches are up. */
export function loadExtensions(settings: ExtensionSettings, lab: Lab, source: string): Extensions {
  const wanted = extensionNames.filter((name) => settings[name] !== undefined);
  if (wanted.length === 0) return { outputs: [], resources: [] };
  const built = ensure("extensions", "extensions", {}, { key: buildKey(source) });
  const build = built.stdout.apply((text) => (JSON.parse(text) as { folder: string }).folder);
  const loaded = wanted.flatMap((extension) =>
    withRole(lab.machines, extensions[extension].role).map((machine) => {
      const { options, required } = settings[extension] ?? {};
      const resource = new ExtensionOnNode(
        `${extension}-${machine.name}`,
        { machine, extension, build, options, required },
        { dependsOn: [...lab.up] },
      );
      return { extension, node: machine.name, verdict: resource.verdict, resource };
    }),
  );
  return {
    outputs: loaded.map(({ extension, node, verdict }) => ({ extension, node, verdict })),
    resources: loaded.map(({ resource }) => resource),
  };
}
