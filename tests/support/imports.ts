/** Reads the imports between this checkout's sources, for the diagram of the layers. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { execaSync } from "execa";
import ts from "typescript";
import { checkout } from "../../workshop/checkout.ts";

/** The imported files of each source file, as paths in the checkout, without tests and their helpers. */
export function importsOfFiles(): ReadonlyMap<string, readonly string[]> {
  const { stdout } = execaSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
    cwd: checkout,
  });
  const files = stdout.split("\n").filter((file) => !isOfTests(file));
  return new Map(files.map((file) => [file, importsOf(file)]));
}

function isOfTests(file: string): boolean {
  return /\.test\.ts$|^tests\/|\/(testing|testdata|tests)\/|^policy\/testing\.ts$/.test(file);
}

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(checkout, file), "utf8"), true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith("."))
    .map((name) => normalize(join(dirname(file), name)));
}

/** The part of the checkout that a file is in: its top folder, or itself. */
export function room(file: string): string {
  return file.split("/")[0] ?? file;
}

/** The pairs of parts of which one imports the other, each with an example of an import. */
export function arrows(imports: ReadonlyMap<string, readonly string[]>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [file, targets] of imports) {
    for (const target of targets) {
      if (room(file) !== room(target))
        found.set(`${room(file)} -> ${room(target)}`, `${file} imports ${target}`);
    }
  }
  return found;
}

/** The files of a circle of imports; undefined if there is none. */
export function circle(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    for (const target of imports.get(file) ?? []) {
      const found = visit(target, [...path, file]);
      if (found) return found;
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const found = visit(file, []);
    if (found) return found;
  }
  return undefined;
}
