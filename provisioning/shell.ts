/** Builds bash text: quoted words, and programs for `bash -s`. */

/** A word that bash reads as exactly `value`. A NUL byte is an error, because no argument can contain it. */
export function quote(value: string): string {
  if (value.includes("\0")) throw new Error("a shell word cannot hold a NUL byte");
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

export interface Call {
  /** Text of a bash script that takes arguments and, for secrets, lines of standard input. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Lines for the script's standard input. Secrets must be passed here. */
  readonly stdin?: readonly string[];
}

/**
 * A program for `bash -s run` (and `bash -s undo`) that calls a script with its arguments and its own standard input.
 * bash reads the program itself from standard input, so each script is a function, and what the function reads
 * is a here-document, not the rest of the program.
 */
export function program(calls: { readonly run: Call; readonly undo?: Call }, note: string): string {
  const parts = Object.entries(calls).map(([name, call]: [string, Call | undefined]) =>
    call ? { name, call } : undefined,
  );
  const named = parts.filter((part) => part !== undefined);
  const functions = named.map(({ name, call }) => `${name}() {\n${call.script.trimEnd()}\n}\n`);
  const cases = named.map(({ name, call }) => {
    const words = [name, ...(call.args ?? []).map(quote)].join(" ");
    return `${name})\n${words} ${hereDocument(call.stdin ?? [])}\n;;\n`;
  });
  return `# ${note}\nset -euo pipefail\n${functions.join("")}case "$1" in\n${cases.join("")}esac\n`;
}

function hereDocument(lines: readonly string[]): string {
  if (lines.length === 0) return "</dev/null";
  const broken = lines.find((line) => /[\n\0]/.test(line));
  if (broken !== undefined)
    throw new Error("a line for a script's standard input cannot hold a newline or a NUL byte");
  let end = "END";
  while (lines.includes(end)) end += "_";
  return `<<'${end}'\n${lines.join("\n")}\n${end}`;
}
