import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultOptions } from "../tests/support/extensions.ts";
import { extensionNames, extensionsSchema } from "./table.ts";

const here = import.meta.dirname;

describe("the table of extensions", () => {
  it("has exactly the folders with an extension.ts", () => {
    const folders = readdirSync(here).filter((name) => existsSync(join(here, name, "extension.ts")));
    expect([...extensionNames].sort()).toEqual(folders.sort());
  });

  it.each(extensionNames)("%s has a probe and a README in its folder", (name) => {
    expect(readFileSync(join(here, name, "probe.sh"), "utf8")).toMatch(/^#!/);
    expect(readFileSync(join(here, name, "README.md"), "utf8")).toMatch(/^# /);
  });

  it.each(extensionNames)("docs/extensions.md links to the README of %s", (name) => {
    const page = readFileSync(join(here, "../docs/extensions.md"), "utf8");
    expect(page).toContain(`[${name}](../bpf/${name}/README.md)`);
  });

  it("gives packet-dma the machine's private address as its interface", () => {
    expect(defaultOptions("packet-dma").join(" ")).toContain("--interface 10.0.0.1 --write ");
  });

  it("accepts options for fuse-latency but not for fuse, and no unknown extension", () => {
    expect(extensionsSchema.safeParse({ "fuse-latency": { options: ["--json"] } }).success).toBe(true);
    expect(extensionsSchema.safeParse({ fuse: { options: ["--json"] } }).success).toBe(false);
    expect(extensionsSchema.safeParse({ nonsense: {} }).success).toBe(false);
  });
});
