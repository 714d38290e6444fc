/** The provider's schema agrees with the SDK of @pulumi/command 1.2.1. */
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { version } from "./service.ts";

interface Resource {
  readonly inputProperties: Record<string, { secret?: boolean; replaceOnChanges?: boolean }>;
  readonly properties: Record<string, object>;
  readonly requiredInputs: string[];
}

const schema = JSON.parse(readFileSync(new URL("schema.json", import.meta.url), "utf8")) as {
  readonly version: string;
  readonly resources: Record<string, Resource>;
  readonly functions: Record<string, { inputs: { properties: Record<string, object> } }>;
  readonly types: Record<string, { properties?: Record<string, object> }>;
};
const sdk = createRequire(import.meta.url)
  .resolve("@pulumi/command/package.json")
  .replace("package.json", "");
const read = (file: string): string => readFileSync(sdk + file, "utf8");

test("the version is the SDK's", () => {
  expect((JSON.parse(read("package.json")) as { version: string }).version).toBe(version);
  expect(schema.version).toBe(version);
});

describe.each([
  ["command:remote:Command", "remote/command.js"],
  ["command:remote:CopyToRemote", "remote/copyToRemote.js"],
  ["command:remote:CopyFile", "remote/copyFile.js"],
  ["command:local:Command", "local/command.js"],
])("%s", (token, file) => {
  const text = read(file);
  const resource = schema.resources[token]!;
  const names = (pattern: RegExp): string[] =>
    [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort();

  test("has the SDK's token, inputs and outputs", () => {
    expect(text).toContain(`'${token}'`);
    expect(Object.keys(resource.inputProperties)).toEqual(names(/resourceInputs\["(\w+)"\] = args/g));
    expect(Object.keys(resource.properties)).toEqual(names(/resourceInputs\["(\w+)"\]/g));
    expect(resource.requiredInputs).toEqual(names(/Missing required property '(\w+)'/g));
  });

  test("marks the same properties as secret, and as causes of a replacement, as the SDK", () => {
    const marked = (mark: "secret" | "replaceOnChanges"): string[] =>
      Object.entries(resource.inputProperties).flatMap(([name, property]) => (property[mark] ? [name] : []));
    expect(marked("secret")).toEqual(
      text.includes('additionalSecretOutputs: ["connection"]') ? ["connection"] : [],
    );
    expect(marked("replaceOnChanges")).toEqual(
      text.includes('replaceOnChanges: ["triggers[*]"]') ? ["triggers"] : [],
    );
  });
});

test("command:local:run has the SDK's arguments", () => {
  const names = [
    ...new Set([...read("local/run.js").matchAll(/"(\w+)": args\./g)].map(([, name]) => name)),
  ].sort();
  expect(Object.keys(schema.functions["command:local:run"]!.inputs.properties)).toEqual(names);
});

test("connections have the SDK's fields", () => {
  const text = read("types/input.d.ts");
  for (const name of ["Connection", "ProxyConnection"]) {
    const body = new RegExp(`interface ${name}Args \\{(.*?)\\n    \\}`, "s").exec(text)?.[1] ?? "";
    const fields = [...body.matchAll(/^ {8}(\w+)\??: /gm)].map(([, field]) => field).sort();
    expect(Object.keys(schema.types[`command:remote:${name}`]!.properties ?? {})).toEqual(fields);
  }
});
