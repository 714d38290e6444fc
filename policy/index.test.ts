import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;

describe("the policy pack", () => {
  // Loading it would start its server, so its list is read as text.
  const list = /policies: \[([^\]]*)\]/.exec(readFileSync(join(here, "index.js"), "utf8"))?.[1] ?? "";
  const rules = readdirSync(join(here, "rules")).filter((file) => !file.endsWith(".test.ts"));

  const tests = [here, join(here, "rules")].flatMap((folder) =>
    readdirSync(folder)
      .filter((test) => test.endsWith(".test.ts"))
      .map((test) => readFileSync(join(folder, test), "utf8")),
  );

  it.each(rules)("contains the rule in %s, and the rule has a test", (file) => {
    const name = file.replace(/\.ts$/, "");
    expect(list.split(",").map((word) => word.trim())).toContain(name);
    expect(tests.some((text) => text.includes(`/${name}.ts"`))).toBe(true);
  });
});
