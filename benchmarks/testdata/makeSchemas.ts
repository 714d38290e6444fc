/** Writes docs/run.schema.json and docs/plan.schema.json, from the schemas that the program itself checks with. */
import { writeFileSync } from "node:fs";
import { z } from "zod";
import { planSchema } from "../plan.ts";
import { runSchema } from "../run.ts";

const schemas = {
  "run.schema.json": { title: "run.json of a disgrafs-lab benchmark", schema: runSchema },
  "plan.schema.json": { title: "plan.json of a disgrafs-lab benchmark", schema: planSchema },
};
export const schemaNames = Object.keys(schemas) as (keyof typeof schemas)[];

/** A schema as JSON Schema, draft 2020-12. */
export function schemaText(name: keyof typeof schemas): string {
  const { title, schema } = schemas[name];
  return `${JSON.stringify({ title, ...z.toJSONSchema(schema) }, undefined, 2)}\n`;
}

export const schemaFile = (name: string): URL => new URL(`../../docs/${name}`, import.meta.url);

if (import.meta.main) for (const name of schemaNames) writeFileSync(schemaFile(name), schemaText(name));
