/** Reads the result of each test file from a runner's report: jest's `--json`, and pytest's JUnit XML. */
import { readFileSync, writeFileSync } from "node:fs";

/** In the form of jest's report; pytest's is converted to it. */
export interface FileReport {
  readonly testResults: readonly TestFile[];
}

interface TestFile {
  /** Path of the test file: jest's is absolute, pytest's is relative to the folder that it ran in. */
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly TestResult[];
}

interface TestResult {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages?: readonly string[];
}

/** Reads the report in a file. */
export function readFileReport(file: string): FileReport {
  const text = readFileSync(file, "utf8");
  return text.startsWith("<") ? fromJunit(text) : (JSON.parse(text) as FileReport);
}

/** The test files in which something failed. */
export const failedFiles = (file: string): readonly string[] =>
  readFileReport(file).testResults.flatMap(({ name, status }) => (status === "failed" ? [name] : []));

/** Replaces the first run's results of files with those of the second run. */
export function replaceResults(first: string, second: string): void {
  const again = readFileReport(second).testResults;
  const kept = readFileReport(first).testResults.filter(
    ({ name }) => !again.some((file) => file.name === name),
  );
  writeFileSync(first, JSON.stringify({ testResults: [...kept, ...again] }));
}

/** `<testcase>` elements as pytest writes them with `junit_family=xunit1`, which names each one's file. */
function fromJunit(text: string): FileReport {
  const files = new Map<string, TestResult[]>();
  for (const each of text.split("<testcase ").slice(1)) {
    const name = attribute(each, "name");
    // A file that could not be loaded has no file attribute, only the name of its module.
    const file = attribute(each, "file") || name;
    const why = /<(?:failure|error)\b[^>]*>([^<]*)/.exec(each)?.[1];
    const status = why !== undefined ? "failed" : /<skipped\b/.test(each) ? "skipped" : "passed";
    const failureMessages = why === undefined ? [] : [unescaped(why)];
    const tests = files.get(file) ?? [];
    files.set(file, [...tests, { status, fullName: `${file}::${name}`, failureMessages }]);
  }
  const testResults = [...files].map(([name, assertionResults]) => ({
    name,
    status: assertionResults.some(({ status }) => status === "failed") ? "failed" : "passed",
    assertionResults,
  }));
  return { testResults };
}

/** The value of an attribute in the text of a tag; "" if it has none of that name. */
const attribute = (tag: string, name: string): string =>
  unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? "");

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

const unescaped = (text: string): string =>
  text.replace(/&(\w+);/g, (whole, entity: string) => entities[entity] ?? whole);
