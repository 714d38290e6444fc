/** The report that jest writes with `--json`: what it says of each test file. */
import { readFileSync, writeFileSync } from "node:fs";

export interface JestReport {
  readonly testResults: readonly {
    /** Path of the test file. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Reads the report in a file. */
export const readJestReport = (file: string): JestReport =>
  JSON.parse(readFileSync(file, "utf8")) as JestReport;

/** The test files in which something failed. */
export const failedFiles = (file: string): readonly string[] =>
  readJestReport(file).testResults.flatMap(({ name, status }) => (status === "failed" ? [name] : []));

/** Puts what a second run says of its files in the place of what the first one said of them. */
export function replaceResults(first: string, second: string): void {
  const again = readJestReport(second).testResults;
  const kept = readJestReport(first).testResults.filter(
    ({ name }) => !again.some((file) => file.name === name),
  );
  writeFileSync(first, JSON.stringify({ testResults: [...kept, ...again] }));
}
