/**
 * Checks changes of a stack's settings before storing them: edits a copy of the stack's file, and replaces the file only if the
 * settings are valid. Otherwise a mistyped setting would make every later `up` fail.
 */
import { copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseSettings, SettingsError } from "../stacks/settings.ts";
import { Problem } from "./problem.ts";
import type { Pulumi } from "./pulumi.ts";

export interface Change {
  /** `key=value`; a dot in the key selects a member of an object. */
  readonly set: readonly string[];
  /** Keys. */
  readonly unset: readonly string[];
}

/** Stores all changes, or throws and stores none. */
export async function keepSettings(pulumi: Pulumi, { set, unset }: Change): Promise<void> {
  if (set.length + unset.length === 0) return;
  const file = pulumi.settingsFile;
  // The CLI recognises the format by the file name's suffix.
  const copy = join(dirname(file), `.new.${process.pid}.${basename(file)}`);
  try {
    if (existsSync(file)) copyFileSync(file, copy);
    else writeFileSync(copy, "");
    for (const key of unset) await change(pulumi, copy, ["rm", "--path", "--", key]);
    const words = set.flatMap((setting) => ["--plaintext", setting]);
    if (words.length > 0) await change(pulumi, copy, ["set-all", "--path", ...words]);
    check(await valuesIn(pulumi, copy), pulumi.stack);
    renameSync(copy, file);
  } finally {
    rmSync(copy, { force: true });
  }
}

async function change(pulumi: Pulumi, file: string, words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await pulumi.quiet("config", "--config-file", file, ...words);
  if (exitCode !== 0) throw new Problem(`the setting cannot be stored: ${stderr.trim()}`);
}

function check(values: Readonly<Record<string, unknown>>, stack: string): void {
  try {
    parseSettings(values, stack);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new Problem(
      `${error.message}\nNothing was changed: the settings are the same as before this command.`,
    );
  }
}

/** The stack's settings as they are kept, with secrets in plain text: never print them. */
export async function keptSettings(pulumi: Pulumi): Promise<Record<string, unknown>> {
  return existsSync(pulumi.settingsFile) ? await valuesIn(pulumi, pulumi.settingsFile) : {};
}

/** The settings in a file, with secrets in plain text: never print them. */
async function valuesIn(pulumi: Pulumi, file: string): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await pulumi.quiet(
    "config",
    "--config-file",
    file,
    "--json",
    "--show-secrets",
  );
  if (exitCode !== 0) throw new Problem(`the settings cannot be read: ${stderr.trim()}`);
  const entries = Object.entries(
    JSON.parse(stdout) as Record<string, { value?: string; objectValue?: unknown }>,
  );
  const prefix = `${pulumi.project}:`;
  return Object.fromEntries(
    entries
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { value, objectValue }]) => [key.slice(prefix.length), objectValue ?? parsed(value ?? "")]),
  );
}

/** Same as in the program (stacks/config.ts): numbers, booleans, lists and objects are JSON, everything else is text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
