/** For tests of a program's graph: waits until a program that runs with mocks has registered all resources. */
import * as pulumi from "@pulumi/pulumi";

// The SDK waits for this at the end of a program; the types do not include it.
const runtime = pulumi.runtime as unknown as { readonly waitForRPCs: () => Promise<void> };

/**
 * Resolves when no call to the engine is pending and there was no new one meanwhile.
 * @param count returns the current number of resources
 */
export async function settled(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count();
    await runtime.waitForRPCs();
    // An answer can trigger further calls (`apply`) in later turns of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
