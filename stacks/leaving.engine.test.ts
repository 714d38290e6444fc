import { inCheckout } from "../workshop/checkout.ts";
import { withStack } from "../tests/support/pulumi.ts";

/** A program with these resources, whose last outputs say what leaves. */
const program = (...names: string[]): string => `
import { readFileSync, writeFileSync } from "node:fs";
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

it("reads the state again when it met the engine's write of it", async () => {
  await withStack({ program: program("a") }, async (stack) => {
    await stack.up();
    // As in the middle of a write: the file of attributes is empty until some reads have failed. The engine's own writes, which
    // would end that, are over by then.
    const emptied = `
await new Promise((resolve) => setTimeout(resolve, 3000));
const folder = new URL(process.env.PULUMI_BACKEND_URL).pathname + "/.pulumi/stacks/" + pulumi.getProject();
const attributes = folder + "/" + pulumi.getStack() + ".json.attrs";
const whole = readFileSync(attributes);
writeFileSync(attributes, "");
setTimeout(() => writeFileSync(attributes, whole), 1000);
export const gone`;
    stack.program(program("b").replace("export const gone", emptied));
    await stack.up();
    expect((await stack.outputs())["gone"]).toEqual(["a"]);
  });
}, 300_000);
