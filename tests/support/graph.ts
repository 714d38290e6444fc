/** For tests of a program's graph: waits until a program that runs against mocks has registered all that it makes. */
import * as pulumi from "@pulumi/pulumi";

// The engine's own end of a program waits for this; the types leave it out.
const runtime = pulumi.runtime as unknown as { readonly waitForRPCs: () => Promise<void> };

/**
 * Resolves when no call to the engine is open and none came while it looked.
 * @param count how many resources there are now
 */
export async function settled(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count();
    await runtime.waitForRPCs();
    // What an answer sets off (`apply`) makes more in the turns after it.
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
