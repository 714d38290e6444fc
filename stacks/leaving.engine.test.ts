import { inCheckout } from "../workshop/checkout.ts";
import { withStack } from "../tests/support/pulumi.ts";

/** A program with these resources, whose last outputs say what leaves. */
const program = (...names: string[]): string => `
import * as pulumi from "@pulumi/pulumi";
import { leaving, noteResources } from ${JSON.stringify(inCheckout("stacks/leaving.ts"))};

class Part extends pulumi.ComponentResource {
  constructor(name) {
    super("test:parts:Part", name);
    new (class extends pulumi.ComponentResource {})("test:parts:Inner", name + "-inner", {}, { parent: this });
  }
}
const made = noteResources();
for (const name of ${JSON.stringify(names)}) new Part(name);
export const gone = await leaving(made, "test:parts:Benchmark");
`;

it("knows, before an update, what the update is going to remove", async () => {
  await withStack({ program: program("a", "b") }, async (stack) => {
    const gone = async (): Promise<unknown> => (await stack.outputs())["gone"];
    await stack.up();
    expect(await gone()).toEqual([]);
    await stack.up();
    expect(await gone()).toEqual([]);
    stack.program(program("a", "c"));
    await stack.up();
    expect(await gone()).toEqual(["b"]);
    await stack.up();
    expect(await gone()).toEqual([]);
  });
}, 300_000);
