/**
 * Reads the list of a class's students as exported by spreadsheets: UTF-8, UTF-16 or Windows-1252; commas, semicolons or tabs;
 * possibly with empty rows and additional columns.
 */
import { parse } from "csv-parse/sync";
import { Problem } from "./problem.ts";

export interface Student {
  /** Part of the name of the stack (class-ID) and of everything that belongs to it. */
  readonly id: string;
  readonly name: string;
  /** Contact; becomes the owner tag. */
  readonly contact: string;
}

/** Accepted names of the columns, the documented one first. Case, spaces and punctuation are ignored. */
const columns = {
  id: ["id", "student id", "user", "username", "user name", "login", "matrikelnummer"],
  name: ["name", "student name", "full name", "student"],
  email: ["email", "e-mail", "email address", "mail"],
} as const;

/** @throws Problem that names the line of an invalid student, or the columns if the column id is missing */
export function parseStudents(file: Buffer | string): Student[] {
  const text = typeof file === "string" ? file : decode(file);
  const rows = readRows(text);
  const [header, ...records] = rows;
  if (!header || records.length === 0)
    throw new Problem("the list of students is empty: it needs a header with `id`, and one line per student");
  const at = columnsOf(header.cells);
  const seen = new Map<string, number>();
  return records.map(({ cells, line }) => {
    const cell = (index: number | undefined): string => (index === undefined ? "" : (cells[index] ?? ""));
    const id = cell(at.id).toLowerCase();
    if (!/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/.test(id))
      throw new Problem(
        `line ${line}: id is "${cell(at.id)}"; it must be 1 to 30 letters a-z, digits and inner -`,
      );
    const earlier = seen.get(id);
    if (earlier !== undefined) throw new Problem(`line ${line}: id "${id}" is already on line ${earlier}`);
    seen.set(id, line);
    const email = cell(at.email) || id;
    return {
      id,
      name: cell(at.name) || id,
      contact: /^[\w.+@-]{2,64}$/.test(email) ? email : `student-${id}`,
    };
  });
}

/** Text of a file saved by Excel, LibreOffice and others. */
export function decode(file: Buffer): string {
  if (file[0] === 0xff && file[1] === 0xfe) return file.toString("utf16le");
  if (file[0] === 0xfe && file[1] === 0xff) return new TextDecoder("utf-16be").decode(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(file);
  } catch {
    // Text that is not UTF-8 is in Windows's encoding for Western Europe.
    return new TextDecoder("windows-1252").decode(file);
  }
}

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

function readRows(text: string): Row[] {
  let rows: { record: string[]; info: { lines: number } }[];
  try {
    rows = parse(text.replace(/^\uFEFF/, ""), {
      delimiter: delimiterOf(text),
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
      info: true,
    }) as unknown as typeof rows;
  } catch (error) {
    throw new Problem(
      `the list of students cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return (
    rows
      .map(({ record, info }) => ({ cells: record, line: info.lines }))
      // A spreadsheet writes emptied rows as delimiters only.
      .filter(({ cells }) => cells.some((cell) => cell !== ""))
  );
}

/** The column separator: the most frequent candidate in the header, outside quotes. */
function delimiterOf(text: string): string {
  const header = (text.split(/\r?\n/).find((line) => line.trim() !== "") ?? "").replaceAll(/"[^"]*"/g, "");
  const count = (sign: string): number => header.split(sign).length;
  return [",", ";", "\t"].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}

/** @throws Problem that names the columns if none of them is the id */
function columnsOf(header: readonly string[]): { id: number; name?: number; email?: number } {
  const plain = header.map((name) =>
    name
      .toLowerCase()
      .replaceAll(/[\s_-]+/g, " ")
      .trim(),
  );
  const find = (names: readonly string[]): number | undefined => {
    const index = plain.findIndex((name) => names.map((each) => each.replaceAll("-", " ")).includes(name));
    return index < 0 ? undefined : index;
  };
  const id = find(columns.id);
  if (id === undefined)
    throw new Problem(
      `the list of students has no column "id"; its columns are: ${header.map((name) => `"${name}"`).join(", ")}. ` +
        "The first line must name the columns: id, and optionally name and email",
    );
  return { id, name: find(columns.name), email: find(columns.email) };
}
