import { readFileSync } from "node:fs";
import fc from "fast-check";
import { quantile, total } from "../histogram.ts";
import { parseFio } from "./fio.ts";
import { parseIostat } from "./iostat.ts";
import { parseJuicefsBench } from "./juicefsBench.ts";
import { parseLoops, parseRay } from "./loops.ts";

const real = (name: string): string =>
  readFileSync(new URL(`../testdata/${name}.txt`, import.meta.url), "utf8");
const edited = (name: string, edit: (value: FioFile) => void): string => {
  const value = JSON.parse(real(name)) as FioFile;
  edit(value);
  return JSON.stringify(value, undefined, 2);
};

interface FioFile {
  jobs: {
    error: number | null;
    read: Record<string, unknown> & { total_ios: number; clat_ns: { N: number } };
  }[];
}

describe.each(["3.33", "3.39"])("parseFio on output of fio %s", (version) => {
  it("should give the rate and the whole latency histogram of json+", () => {
    const file = JSON.parse(real(`fio-${version}-randread`)) as FioFile;
    const job = file.jobs[0]!;
    const { read, write } = parseFio(real(`fio-${version}-randread`), false);
    expect(write).toBeUndefined();
    expect(read!.operations).toBe(job.read.total_ios);
    // fio's own figure, from the same count and time
    expect(read!.value / (job.read["iops"] as number)).toBeCloseTo(1, 3);
    expect(total(read!.latencies!)).toBe(job.read.clat_ns.N);
  });

  it("should agree with fio's own percentiles", () => {
    const { read } = parseFio(real(`fio-${version}-randread`), false);
    const text = real(`fio-${version}-randread`);
    for (const percent of [50, 90, 99]) {
      const theirs = Number(new RegExp(`"${percent}\\.000000" : (\\d+)`).exec(text)![1]);
      expect(quantile(read!.latencies!, percent / 100)! / theirs).toBeCloseTo(1, 1);
    }
  });

  it("should give MB/s for large blocks", () => {
    const file = JSON.parse(real(`fio-${version}-randread`)) as FioFile;
    const { read } = parseFio(real(`fio-${version}-randread`), true);
    expect(read!.value / ((file.jobs[0]!.read["bw_bytes"] as number) / 1e6)).toBeCloseTo(1, 3);
  });

  it("should give both sides of a mixed job, without latencies when there are no bins", () => {
    const { read, write } = parseFio(real(`fio-${version}-randrw-plain`), false);
    expect(read!.value).toBeGreaterThan(write!.value);
    expect(read!.latencies).toBeUndefined();
  });

  it("should read past a note before the JSON", () => {
    expect(real(`fio-${version}-note-first`)).toMatch(/^note: both iodepth/);
    expect(parseFio(real(`fio-${version}-note-first`), false)["read"]!.operations).toBe(256);
  });

  it("should refuse a job with an error", () => {
    expect(() => parseFio(real(`fio-${version}-error`), false)).toThrow("fio: error 28 in job job");
  });

  it.each([
    ["nothing", "", "fio wrote nothing"],
    ["text alone", "fio: command not found\n", "fio wrote no JSON"],
    ["a second document", real(`fio-${version}-randread`).repeat(2), "fio wrote more than one JSON document"],
    [
      "a null",
      edited(`fio-${version}-randread`, (file) => (file.jobs[0]!.read["runtime"] = null)),
      "jobs.0.read.runtime",
    ],
    ["no jobs", edited(`fio-${version}-randread`, (file) => (file.jobs = [])), "fio: jobs"],
    [
      "no I/O",
      edited(`fio-${version}-randread`, (file) => (file.jobs[0]!.read.total_ios = 0)),
      "fio did no I/O in its time",
    ],
  ])("should refuse %s", (_, text, message) => {
    expect(() => parseFio(text, false)).toThrow(message);
  });

  it("should refuse a file that is cut off anywhere", () => {
    const text = real(`fio-${version}-randread`).trimEnd();
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        expect(() => parseFio(text.slice(0, length), false)).toThrow(/cut off|nothing|no JSON/);
      }),
      { numRuns: 50 },
    );
  });
});

describe.each(["12.6", "12.7"])("parseIostat on output of sysstat %s", (version) => {
  it("should leave out the report since boot and keep iostat's own keys", () => {
    const { samples, mended } = parseIostat(real(`iostat-${version}`));
    expect(samples).toHaveLength(3);
    expect(mended).toBe(false);
    expect(Object.keys(samples[0]!.cpu)).toEqual(["user", "nice", "system", "iowait", "steal", "idle"]);
    expect(samples[0]!.devices["vda"]!["rkB/s"]).toBeGreaterThanOrEqual(0);
    expect(samples[0]!.devices["vda"]!["rMB/s"]).toBeUndefined();
  });

  it("should read what SIGINT leaves as a whole file", () => {
    expect(parseIostat(real(`iostat-${version}-sigint`)).mended).toBe(false);
  });

  it("should mend what SIGTERM cuts off", () => {
    const { samples, mended } = parseIostat(real(`iostat-${version}-sigterm`));
    expect(mended).toBe(true);
    expect(samples).toHaveLength(2);
  });

  it("should read the file that -y writes", () => {
    expect(parseIostat(real(`iostat-${version}-y`)).samples).toHaveLength(2);
  });

  it("should read past a stray comma", () => {
    const text = real(`iostat-${version}`).replace('"statistics": [', '"statistics": [\n,');
    expect(parseIostat(text)).toEqual(parseIostat(real(`iostat-${version}`)));
  });

  it("should keep whole reports, or refuse, wherever the file is cut off", () => {
    const text = real(`iostat-${version}`).trimEnd();
    const all = parseIostat(text).samples;
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        try {
          const { samples, mended } = parseIostat(text.slice(0, length));
          expect(mended).toBe(true);
          expect(samples).toEqual(all.slice(0, samples.length));
        } catch (error) {
          expect(String(error)).toMatch(/iostat wrote|cut off before its first report was whole/);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("should leave a key absent that iostat did not write, and not make it 0", () => {
    const text = real(`iostat-${version}`).replaceAll(/ "util": [\d.]+/g, ' "other": 1');
    expect(parseIostat(text).samples[0]!.devices["vda"]!["util"]).toBeUndefined();
  });

  it.each([
    ["", "iostat wrote nothing"],
    ["iostat: No such file", "iostat wrote no statistics"],
    [real(`iostat-${version}`).repeat(2), "more than one document"],
  ])("should refuse %j", (text, message) => {
    expect(() => parseIostat(text)).toThrow(message);
  });
});

describe("parseJuicefsBench on output of juicefs 1.4", () => {
  it("should give each row, MiB/s as MB/s", () => {
    const figures = parseJuicefsBench(real("juicefs-1.4-bench"));
    const values = Object.fromEntries(Object.entries(figures).map(([name, { value }]) => [name, value]));
    expect(values).toEqual({
      writeBig: expect.closeTo(353.79 * 1.048576, 3) as number,
      readBig: expect.closeTo(338.31 * 1.048576, 3) as number,
      writeSmall: 636.7,
      readSmall: 820.1,
      stat: 879.3,
    });
  });

  it("should refuse a run that could not drop caches", () => {
    expect(() => parseJuicefsBench(real("juicefs-1.4-bench-caches-not-dropped"))).toThrow(
      /^juicefs bench: Failed to clean kernel caches/,
    );
  });

  it("should read a coloured table", () => {
    const coloured = real("juicefs-1.4-bench")
      .replace("353.79", "\u001b[1;32m353.79")
      .replace("0.09", "\u001b[0m0.09");
    expect(parseJuicefsBench(coloured)["writeBig"]!.value).toBeCloseTo(370.98, 1);
  });

  it.each(["", real("juicefs-1.4-bench").slice(0, 400), real("juicefs-1.4-bench").replace("353.79", "N/A")])(
    "should refuse output without a row (%#)",
    (text) => {
      expect(() => parseJuicefsBench(text)).toThrow(/no row "(Write big file|Read big file)" with a figure/);
    },
  );
});

describe("parseLoops", () => {
  const loops = JSON.stringify({ get: { operations: 50, seconds: 0.1, histogram: { "2048": 50 } } });

  it("should give operations per second, or the time of one", () => {
    expect(parseLoops(loops, { get: "ops/s" })["get"]!.value).toBe(500);
    expect(parseLoops(loops, { get: "us" })["get"]!.value).toBe(2000);
  });

  it.each([
    [
      JSON.stringify({ get: { operations: 0, seconds: 0, histogram: {} } }),
      "no get was finished in its time",
    ],
    [JSON.stringify({ put: {} }), "the loops: put.operations"],
    ["{}", "the loops have no figure get"],
    [loops.slice(0, 20), "the JSON of the loops is cut off"],
    ["", "the loops wrote nothing"],
  ])("should refuse %j", (text, message) => {
    expect(() => parseLoops(text, { get: "us" })).toThrow(message);
  });
});

describe("parseRay", () => {
  it("should give small files per second and large ones in MB/s", () => {
    const part = { seconds: 2, files: 10, bytes: 8_000_000 };
    const { small, large } = parseRay(JSON.stringify({ small: part, large: part }));
    expect([small!.value, large!.value]).toEqual([5, 4]);
  });

  it("should refuse a run whose tasks read nothing", () => {
    const part = { seconds: 2, files: 10, bytes: 0 };
    expect(() => parseRay(JSON.stringify({ small: part, large: part }))).toThrow(
      "the Ray tasks: small.bytes",
    );
  });
});
