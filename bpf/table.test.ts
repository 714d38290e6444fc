import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultOptions } from "../tests/support/extensions.ts";
import { extensionNames, extensionsSchema } from "./table.ts";

const here = import.meta.dirname;

describe("the table of extensions", () => {
  it("has exactly the folders that describe an extension", () => {
    const folders = readdirSync(here).filter((name) => existsSync(join(here, name, "extension.ts")));
    expect([...extensionNames].sort()).toEqual(folders.sort());
  });

  it.each(extensionNames)("finds the probe and the README of %s in its folder", (name) => {
    expect(readFileSync(join(here, name, "probe.sh"), "utf8")).toMatch(/^#!/);
    expect(readFileSync(join(here, name, "README.md"), "utf8")).toMatch(/^# /);
  });

  it.each(extensionNames)("is told in docs/extensions.md: %s", (name) => {
    const page = readFileSync(join(here, "../docs/extensions.md"), "utf8");
    expect(page).toContain(`[${name}](../bpf/${name}/README.md)`);
  });

  it("gives packet-dma the machine's own address in place of its name", () => {
    expect(defaultOptions("packet-dma").join(" ")).toContain("--interface 10.0.0.1 --write ");
  });

  it("takes options for a plain extension, and none for fuse, whose options follow from the lab", () => {
    expect(extensionsSchema.safeParse({ "fuse-latency": { options: ["--json"] } }).success).toBe(true);
    expect(extensionsSchema.safeParse({ fuse: { options: ["--json"] } }).success).toBe(false);
    expect(extensionsSchema.safeParse({ nonsense: {} }).success).toBe(false);
  });
});
