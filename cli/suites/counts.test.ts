/** The samples are from jest 30 and pytest 9, for small projects with a test of each kind. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closingLine, fileCounts, oneCheck, tapCounts, total } from "./counts.ts";

const sample = (name: string): string => join(import.meta.dirname, "samples", name);

describe("fileCounts of jest", () => {
  it("counts each kind, and a file that could not be loaded as failed", () => {
    expect(fileCounts(sample("jest.json"), 1)).toEqual({
      passed: 2,
      failed: 2,
      skipped: 2,
      failures: ["sums carries", "/src/b.test.js"],
      reasons: {
        "sums carries":
          "Error: expect(received).toBe(expected) // Object.is equality\n\nExpected: 11\nReceived: 10",
      },
      skips: ["sums overflows", "sums divides"],
    });
  });

  it("is one failure if jest wrote no report", () => {
    expect(fileCounts(sample("no-such-file"), 1)).toMatchObject({ passed: 0, failed: 1 });
    expect(fileCounts(sample("no-such-file"), 0)).toMatchObject({ passed: 0, failed: 0 });
  });
});

describe("fileCounts of pytest", () => {
  it("counts pytest's failures and errors as failed, with their names", () => {
    expect(fileCounts(sample("pytest.xml"), 1)).toEqual({
      passed: 3,
      failed: 2,
      skipped: 1,
      failures: ["test_a.py::test_carries", "test_a.py::test_uses_server"],
      reasons: {
        "test_a.py::test_carries": expect.stringContaining(
          ">   def test_carries(): assert 9 + 1 == 11\n",
        ) as string,
        "test_a.py::test_uses_server": expect.stringContaining("\nE   OSError: no server\n") as string,
      },
      skips: ["test_a.py::test_overflows"],
    });
  });
});

describe("tapCounts", () => {
  const folder = mkdtempSync(join(tmpdir(), "tap-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const report = (text: string): string => {
    writeFileSync(join(folder, "report"), text);
    return join(folder, "report");
  };

  it("counts passed and failed tests, with titles", () => {
    expect(tapCounts(report("ok 1 - adds\nnot ok 2 - carries\n1..2\n"), 1)).toMatchObject({
      passed: 1,
      failed: 1,
      failures: ["carries"],
    });
  });

  it("counts planned tests that did not run, and a run without a plan, as failed", () => {
    expect(tapCounts(report("1..3\nok 1 - adds\n"), 0)).toMatchObject({ passed: 1, failed: 2 });
    expect(tapCounts(report("ok 1 - adds\n"), 0)).toMatchObject({ passed: 1, failed: 1 });
    expect(tapCounts(join(folder, "no-such-file"), 1)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe("oneCheck", () => {
  it("is one test, judged by the exit status", () => {
    expect(oneCheck("", 0)).toMatchObject({ passed: 1, failed: 0 });
    expect(oneCheck("", 2)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe("the closing line", () => {
  it("has the counts of all suites", () => {
    const all = [fileCounts(sample("jest.json"), 1), fileCounts(sample("pytest.xml"), 1), oneCheck("", 0)];
    expect(closingLine(total(all))).toBe("6 passed, 4 failed, 3 skipped");
  });
});
