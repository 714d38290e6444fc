import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { extensionNames } from "../bpf/table.ts";
import { armNames } from "../benchmarks/arms.ts";
import { inCheckout } from "../workshop/checkout.ts";
import { settingsSchema } from "./settings.ts";

const text = readFileSync(inCheckout("Pulumi.yaml"), "utf8");
const { config } = load(text) as { config: Record<string, { default?: unknown }> };
const declared = Object.entries(config).map(
  ([key, { default: value }]) => [key.replace("disgrafs-lab:", ""), value] as const,
);
/** Settings without a default are described in comments: `#   name  what it is`. */
const described = [...text.matchAll(/^ {2}# {3}(\w+) /gm)].map((match) => match[1] ?? "");

describe("Pulumi.yaml", () => {
  it("declares or describes exactly the existing settings", () => {
    const names = [...declared.map(([key]) => key), ...described];
    expect(names.sort()).toEqual(Object.keys(settingsSchema.shape).sort());
  });

  it("declares the settings' defaults, except for the benchmark of a first up", () => {
    const defaults = settingsSchema.parse({}) as Record<string, unknown>;
    for (const [key, value] of declared)
      if (key !== "benchmark") expect([key, value]).toEqual([key, defaults[key]]);
    expect(settingsSchema.safeParse({ benchmark: config["disgrafs-lab:benchmark"]?.default }).success).toBe(
      true,
    );
  });

  it.each([...extensionNames, ...armNames])("names %s", (name) => {
    expect(text).toMatch(new RegExp(`[ {:,]${name}[,;: .\n(]`));
  });
});
