/**
 * What an update is going to remove. Pulumi removes resources after everything else, so without a question here a benchmark would
 * run beside the services and extensions that its settings say are not there.
 */
import * as pulumi from "@pulumi/pulumi";
import { whenWhole } from "./wholeState.ts";

/** Notes every resource that the program makes from now on, as TYPE::NAME. */
export function noteResources(): ReadonlySet<string> {
  const made = new Set<string>();
  pulumi.runtime.registerStackTransformation(({ type, name }) => {
    made.add(`${type}::${name}`);
    return undefined;
  });
  return made;
}

/**
 * Names of what the last update had made and the program has not, each once and without what is in it. Components of type
 * `except` do not count. Empty for a new stack.
 */
export async function leaving(made: ReadonlySet<string>, except: string): Promise<string[]> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  // Built into Pulumi's engine, and not in the SDK's documentation: StackReference has the outputs of a stack, but not its resources.
  const answer = (await whenWhole(() =>
    pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName }),
  )) as { readonly outputs?: Readonly<Record<string, unknown>> };
  return leavingOf(Object.keys(answer.outputs ?? {}), made, except);
}

/** The same, from URNs: urn:pulumi:STACK::PROJECT::TYPE$TYPE::NAME, in which the last type is the resource's own. */
export function leavingOf(urns: readonly string[], made: ReadonlySet<string>, except: string): string[] {
  const gone = urns.flatMap((urn) => {
    const [, , types = "", ...rest] = urn.split("::");
    const [type = "", ...above] = types.split("$").reverse();
    const name = rest.join("::");
    // The stack itself, and providers, which the engine makes.
    if (type.startsWith("pulumi:") || type === except || above.includes(except)) return [];
    return made.has(`${type}::${name}`) ? [] : [{ name, top: above.length === 0 }];
  });
  // A component stands for all in it.
  const named = gone.some(({ top }) => top) ? gone.filter(({ top }) => top) : gone;
  return [...new Set(named.map(({ name }) => name))].sort();
}
