/** The public interfaces of a run's results: the schema, and the reader in Python. */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import { analyse } from "./analyse.ts";
import { analysisHash, analysisSources } from "./analysisHash.ts";
import { chartData } from "./report/chartData.ts";
import { writeResults } from "./results.ts";
import { hodgesLehmann } from "./statistics.ts";
import { schemaFile, schemaNames, schemaText } from "./testdata/makeSchemas.ts";
import { inventRun, type InventedPoint } from "./testdata/rawRun.ts";

const folder = inventRun({ arms: ["nocache", "ttl-long"] });
afterAll(() => rmSync(folder, { recursive: true }));

describe("the schemas in docs/", () => {
  it.each(schemaNames)(
    "should match the program: %s; otherwise, run: node benchmarks/testdata/makeSchemas.ts",
    (name) => {
      expect(JSON.parse(readFileSync(schemaFile(name), "utf8"))).toEqual(JSON.parse(schemaText(name)));
    },
  );

  it("should accept a run's files, and refuse an unknown verdict", () => {
    const { run } = analyse(join(folder, "raw"));
    const check = new Ajv.Ajv2020({ strict: false }).compile(
      JSON.parse(schemaText("run.schema.json")) as object,
    );
    const plain = JSON.parse(JSON.stringify(run)) as { results: { verdict: unknown }[] };
    expect([check(plain), check.errors]).toEqual([true, null]);
    plain.results[0]!.verdict = "within noise";
    expect(check(plain)).toBe(false);
  });
});

describe("the hash of the analysis", () => {
  it("should depend on the code that decides verdicts, and not on the code that shows them", () => {
    const sources = analysisSources();
    expect(sources).toEqual(
      expect.arrayContaining([
        "analyse.ts",
        "statistics.ts",
        "verdicts.ts",
        "raw.ts",
        "histogram.ts",
        "parsers/fio.ts",
      ]),
    );
    expect(sources.filter((name) => /report|words|verdictTable|simulation|test/.test(name))).toEqual([]);
    expect(analysisHash()).toMatch(/^[0-9a-f]{12}$/);
  });
});

describe("read_run.py", () => {
  const reader = join(import.meta.dirname, "report");
  const python = (program: string): string =>
    execFileSync("python3", ["-B", "-c", program], {
      encoding: "utf8",
      cwd: reader,
      stdio: ["ignore", "pipe", "pipe"],
    });

  it("should read the rows, and the ratios around a row's", () => {
    const run = writeResults(folder);
    const text = python(
      `import json; from read_run import read; run = read(${JSON.stringify(folder)}); ` +
        `print(json.dumps([run.rows, [run.ratios(r["workload"], r["figure"], r["arm"]) for r in run.rows]]))`,
    );
    const [rows, ratios] = JSON.parse(text) as [typeof run.results, number[][]];
    expect(rows).toEqual(run.results);
    ratios.forEach((own, index) => {
      expect(own).toHaveLength(run.results[index]!.blocks);
      expect(Math.exp(hodgesLehmann(own.map(Math.log)).centre)).toBeCloseTo(
        run.results[index]!.ratio!.centre,
        9,
      );
    });
  });

  it("should leave out the blocks after the last look, as the verdicts and the charts do", () => {
    const point = (record: InventedPoint): InventedPoint | undefined =>
      record.block <= 13 && record.workload === "metadata" ? record : undefined;
    const rows = ["metadata/statHit/nocache"];
    const long = inventRun({ profile: "course", rows, lost: "node lost: node2", point });
    try {
      const analysis = { ...analyse(join(long, "raw")), run: writeResults(long) };
      expect(analysis.run.look).toBe(10);
      expect(analysis.run.results.find(({ figure }) => figure === "statHit")!.blocks).toBe(10);
      const ratios = python(
        `from read_run import read; print(len(read(${JSON.stringify(long)}).ratios("metadata", "statHit", "nocache")))`,
      );
      expect(ratios.trim()).toBe("10");
      const chart = chartData(analysis).figures.find(({ id }) => id === "metadata/statHit")!;
      expect(chart.blocks).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(chart.ratios["nocache"]).toHaveLength(10);
    } finally {
      rmSync(long, { recursive: true });
    }
  });

  it("should print all figures as CSV, and refuse a file of another version with advice", () => {
    const run = writeResults(folder);
    const lines = execFileSync("python3", ["-B", "read_run.py", folder], {
      encoding: "utf8",
      cwd: reader,
    }).split("\r\n");
    expect(lines[0]).toBe("block,label,arm,workload,figure,value");
    const figures = run.points.flatMap(({ figures: own }) => Object.keys(own));
    expect(lines.filter((line) => line !== "")).toHaveLength(figures.length + 1);
    writeFileSync(join(folder, "run.json"), JSON.stringify({ ...run, version: 2 }));
    expect(() => python(`from read_run import read; read(${JSON.stringify(folder)})`)).toThrow(
      /has version 2, and this reader knows version 4: make it anew with \.\/lab report RUN/,
    );
  });
});
