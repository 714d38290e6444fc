import * as pulumi from "@pulumi/pulumi";
import { cacheIdentity } from "./cache/identity.ts";

const environments = new Map<string, unknown>();
await pulumi.runtime.setMocks({
  newResource: ({ name, inputs }) => {
    environments.set(name, (inputs as { environment?: unknown }).environment);
    return { id: name, state: { ...inputs, stdout: '{"build": "programs/key"}' } as object };
  },
  call: () => ({}),
});
const { ensure, ensureFolder } = await import("./ensure.ts");

describe("a thing on this computer", () => {
  it("is ensured again in another cache if it is a folder there", async () => {
    const folder = ensureFolder("program", "loops", "key");
    const network = ensure("network", "network", {}, { boot: "1" });
    await new Promise((resolve) => pulumi.all([folder, network.id]).apply(resolve));
    expect(Object.fromEntries(environments)).toEqual({
      program: { key: "key", cache: cacheIdentity() },
      network: { boot: "1" },
    });
  });
});
