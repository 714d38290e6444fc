import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { violations } from "../testing.ts";
import { known } from "./knownTypes.ts";
import { taggable, tagged } from "./tagged.ts";

const tags = {
  "disgrafs:project": "disgrafs-lab",
  "disgrafs:stack": "aws",
  "disgrafs:owner": "ada",
  "disgrafs:run": "r",
  "disgrafs:created": "2026-11-25T18:00:00Z",
  "disgrafs:expires": "2026-11-25T22:00:00Z",
};

/** Whether a type takes tags, by the provider's own declarations. */
function takesTags(type: string): boolean {
  const path = /^aws:(.+):\w+$/.exec(type)?.[1] ?? "";
  const declared = fileURLToPath(import.meta.resolve(`@pulumi/aws/${path}.d.ts`));
  return /^ {4}tags\?: pulumi\.Input</m.test(readFileSync(declared, "utf8"));
}

describe("tagged", () => {
  it.each([...known])("checks %s exactly if it can have tags", (type) => {
    expect(taggable.includes(type)).toBe(takesTags(type));
  });

  it.each(taggable)("accepts a %s with all tags, and refuses one without", async (type) => {
    expect(await violations(tagged, type, { tags })).toEqual([]);
    expect(await violations(tagged, type, {})).toEqual([
      "lacks the tags disgrafs:project, disgrafs:stack, disgrafs:owner, disgrafs:run, disgrafs:created, disgrafs:expires",
    ]);
  });

  it.each(Object.keys(tags))("refuses one without %s", async (key) => {
    const rest = Object.fromEntries(Object.entries(tags).filter(([each]) => each !== key));
    expect(await violations(tagged, taggable[0]!, { tags: rest })).toEqual([`lacks the tags ${key}`]);
  });

  it("looks at no type without tags", async () => {
    expect(await violations(tagged, "aws:ec2/route:Route", {})).toEqual([]);
  });
});
