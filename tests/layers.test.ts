import { readFileSync, writeFileSync } from "node:fs";
import { inCheckout } from "../workshop/checkout.ts";
import { arrows, circle, importsOfFiles, room } from "./support/imports.ts";

/** From top to bottom: each part may import from those below it. */
const rooms = [
  ["index.ts", "the program, from settings to outputs"],
  ["cli", "./lab"],
  ["policy", "rules about AWS resources"],
  ["stacks", "settings, the cluster, and the targets that make machines"],
  ["benchmarks", "workloads, arms, runner, analysis, report"],
  ["bpf", "the eBPF extensions, and how they reach a machine"],
  ["workshop", "builds images, extensions and other files on this computer"],
  ["provisioning", "services on machines; tables of ports, packages, kernels"],
  ["plugins", "the provider behind @pulumi/command"],
] as const;
const names: readonly string[] = rooms.map(([name]) => name);

const imports = importsOfFiles();

describe("the layers", () => {
  it("contain every source file", () => {
    const strays = [...imports.keys()].filter((file) => !names.includes(room(file)));
    expect(strays).toEqual([]);
    expect(imports.size).toBeGreaterThan(150);
  });

  it("have no import that goes up", () => {
    const up = [...arrows(imports)].filter(([arrow]) => {
      const [from = "", to = ""] = arrow.split(" -> ");
      return names.indexOf(to) <= names.indexOf(from);
    });
    expect(up.map(([, example]) => example)).toEqual([]);
  });

  it("have no circle of imports", () => {
    expect(circle(imports)).toBeUndefined();
  });

  it("match the diagram in CONTRIBUTING.md", () => {
    const file = inCheckout("CONTRIBUTING.md");
    const text = readFileSync(file, "utf8");
    const between = /(<!-- layers: .* -->\n)[\s\S]*(<!-- \/layers -->)/;
    const drawn = text.replace(between, (_, begin: string, end: string) => `${begin}${picture()}${end}`);
    if (process.env.UPDATE_LAYERS) writeFileSync(file, drawn);
    else expect(text).toBe(drawn);
  });
});

describe("circle", () => {
  it("finds files that import each other through others", () => {
    const found = circle(
      new Map([
        ["a", ["b"]],
        ["b", ["c", "d"]],
        ["d", ["b"]],
      ]),
    );
    expect(found).toEqual(["b", "d", "b"]);
  });
});

/** A Mermaid diagram of the imports between parts. */
function picture(): string {
  const id = (name: string): string => name.replace(".", "_");
  const boxes = rooms.map(([name, what]) => `  ${id(name)}["${name}<br>${what}"]`);
  const lines = [...arrows(imports).keys()]
    .sort()
    .map((arrow) => `  ${arrow.split(" -> ").map(id).join(" --> ")}`);
  return `\n\`\`\`mermaid\nflowchart TD\n${[...boxes, ...lines].join("\n")}\n\`\`\`\n\n`;
}
