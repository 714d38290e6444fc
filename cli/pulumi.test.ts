import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSettings } from "../stacks/settings.ts";
import { checkout } from "../workshop/checkout.ts";
import { localName, settingsFromExample } from "./pulumi.ts";
import { contentOf } from "./record.ts";

describe("localName", () => {
  it("is the last part of the name", () => {
    expect(["local", "a.b_c-D", "org/aws", "org/project/aws"].map(localName)).toEqual([
      "local",
      "a.b_c-D",
      "aws",
      "aws",
    ]);
  });

  it.each(["two words", "ö", "", "..", ".", "org/..", "--help", "a;b", "a\nb"])(
    "refuses %j, and names what is allowed",
    (name) => {
      expect(() => localName(name)).toThrow('use letters, digits, "-", "_" and "."');
    },
  );
});

describe("pending creations of a record", () => {
  it("are those of creations, and not of changes or deletions", () => {
    const pending = (type: string, name: string) => ({
      type,
      resource: { urn: `urn:pulumi:s::p::t:T::${name}` },
    });
    const deployment = { pending_operations: [pending("creating", "a"), pending("deleting", "b")] };
    expect(contentOf(JSON.stringify({ version: 3, deployment })).pending).toEqual(["a"]);
    expect(contentOf(JSON.stringify({ version: 3, deployment: {} })).pending).toEqual([]);
    expect(contentOf(JSON.stringify({ version: 3, deployment: null })).pending).toEqual([]);
  });
});

describe("settingsFromExample", () => {
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "example-"));
  });
  afterEach(() => {
    rmSync(project, { recursive: true });
  });
  const file = (name: string): string => join(project, name);

  it("copies the repository's example settings for a stack once", () => {
    writeFileSync(file("Pulumi.aws.example.yaml"), "config: {}\n");
    expect(settingsFromExample(project, "aws")).toBe(true);
    writeFileSync(file("Pulumi.aws.yaml"), "encryptionsalt: x\n");
    expect(settingsFromExample(project, "aws")).toBe(false);
    expect(readFileSync(file("Pulumi.aws.yaml"), "utf8")).toBe("encryptionsalt: x\n");
  });

  it("does nothing for a stack without example settings", () => {
    expect(settingsFromExample(project, "local")).toBe(false);
  });
});

describe("Pulumi.aws.example.yaml", () => {
  it("lacks only the user's own values", () => {
    const text = readFileSync(join(checkout, "Pulumi.aws.example.yaml"), "utf8");
    const lines = text.split("\n").filter((line) => line.startsWith("  disgrafs-lab:"));
    const words = lines.map((line) => /disgrafs-lab:(\w+): *(.*)$/.exec(line)?.slice(1) ?? []);
    const settings: Record<string, unknown> = Object.fromEntries(words as [string, string][]);
    const aws = Object.fromEntries(
      [...text.matchAll(/^ {4}(\w+): *(.*)$/gm)].map(([, key = "", value = ""]): [string, unknown] => [
        key,
        /^[\d.]+$/.test(value) ? Number(value) : value,
      ]),
    );
    const mine = { owner: "ada", sshCidr: "203.0.113.7/32" };
    expect(parseSettings({ ...settings, aws: { ...aws, ...mine } }).target).toBe("aws");
    expect(() => parseSettings({ ...settings, aws })).toThrow("aws.owner");
    expect(() => parseSettings({ ...settings, aws: { ...aws, owner: "ada" } })).toThrow("aws.sshCidr");
  });
});
