import { readFileSync } from "node:fs";
import fc from "fast-check";
import { quantile, total } from "../histogram.ts";
import { parseFio } from "./fio.ts";
import { parseIostat } from "./iostat.ts";
import { parseJuicefsBench } from "./juicefsBench.ts";
import { parseLoops, parseRay } from "./loops.ts";
import { parseTagging } from "./tagging.ts";
import { rayAnswer, type InventedRay } from "../testdata/rawRun.ts";

const real = (name: string): string =>
  readFileSync(new URL(`../testdata/${name}.txt`, import.meta.url), "utf8");
const edited = (name: string, edit: (value: FioFile) => void): string => {
  const value = JSON.parse(real(name)) as FioFile;
  edit(value);
  return JSON.stringify(value, undefined, 2);
};

/** Operations/s of a job of one second. */
const small = { large: false, seconds: 1 };

interface FioFile {
  jobs: {
    error: number | null;
    read: Record<string, unknown> & { total_ios: number; clat_ns: { N: number } };
  }[];
}

describe("parseFio on output of fio's engine mmap", () => {
  it("should give the rate and the whole latency histogram", () => {
    const { read } = parseFio(real("fio-3.39-mmap"), { large: false, seconds: 0.5 });
    expect([read!.operations, read!.value.toFixed(2)]).toEqual([8, "15.56"]);
    expect(total(read!.latencies!)).toBe(8);
  });
});

describe.each(["3.33", "3.39"])("parseFio on output of fio %s", (version) => {
  it("should give the rate and the whole latency histogram of json+", () => {
    const file = JSON.parse(real(`fio-${version}-randread`)) as FioFile;
    const job = file.jobs[0]!;
    const { read, write } = parseFio(real(`fio-${version}-randread`), small);
    expect(write).toBeUndefined();
    expect(read!.operations).toBe(job.read.total_ios);
    // fio's own figure, from the same count and time
    expect(read!.value / (job.read["iops"] as number)).toBeCloseTo(1, 3);
    expect(total(read!.latencies!)).toBe(job.read.clat_ns.N);
  });

  it("should agree with fio's own percentiles", () => {
    const { read } = parseFio(real(`fio-${version}-randread`), small);
    const text = real(`fio-${version}-randread`);
    for (const percent of [50, 90, 99]) {
      const theirs = Number(new RegExp(`"${percent}\\.000000" : (\\d+)`).exec(text)![1]);
      expect(quantile(read!.latencies!, percent / 100)! / theirs).toBeCloseTo(1, 1);
    }
  });

  it("should give MB/s for large blocks", () => {
    const file = JSON.parse(real(`fio-${version}-randread`)) as FioFile;
    const { read } = parseFio(real(`fio-${version}-randread`), { large: true, seconds: 1 });
    expect(read!.value / ((file.jobs[0]!.read["bw_bytes"] as number) / 1e6)).toBeCloseTo(1, 3);
  });

  it("should give both sides of a mixed job, without latencies if there are no bins", () => {
    const { read, write } = parseFio(real(`fio-${version}-randrw-plain`), small);
    expect(read!.value).toBeGreaterThan(write!.value);
    expect(read!.latencies).toBeUndefined();
  });

  it("should skip a note before the JSON", () => {
    expect(real(`fio-${version}-note-first`)).toMatch(/^note: both iodepth/);
    expect(
      parseFio(real(`fio-${version}-note-first`), { large: false, seconds: 0 })["read"]!.operations,
    ).toBe(256);
  });

  it("should refuse a job with an error", () => {
    expect(() => parseFio(real(`fio-${version}-error`), small)).toThrow("fio: error 28 in job job");
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
      "a job that ended in a moment, however high its rate",
      edited(`fio-${version}-randread`, (file) => (file.jobs[0]!.read["runtime"] = 1)),
      "fio: read lasted 1 ms of 1000 ms: too little for a figure",
    ],
    [
      "no I/O",
      edited(`fio-${version}-randread`, (file) => (file.jobs[0]!.read.total_ios = 0)),
      "fio did no I/O in its time",
    ],
  ])("should refuse %s", (_, text, message) => {
    expect(() => parseFio(text, small)).toThrow(message);
  });

  it("should take the real time of a job that reads its file once, if it is long enough", () => {
    const text = (runtime: number): string =>
      edited(`fio-${version}-randread`, (file) => (file.jobs[0]!.read["runtime"] = runtime));
    const { io_bytes: bytes, total_ios: operations } = (
      JSON.parse(real(`fio-${version}-randread`)) as FioFile
    ).jobs[0]!.read as unknown as { io_bytes: number; total_ios: number };
    const read = (runtime: number, passBytes: number) =>
      parseFio(text(runtime), { ...small, passBytes })["read"]!;
    expect(read(100, bytes).value).toBe(operations / 0.1);
    expect(read(100, bytes).tooLittle).toBeUndefined();
    expect(read(20, bytes).tooLittle).toBe(
      "fio: the pass lasted 20 ms, less than 50 ms: too little for a figure",
    );
    // It ended early, and not because the file ended.
    expect(() => read(100, bytes + 1)).toThrow("fio: read lasted 100 ms of 1000 ms: too little for a figure");
  });

  it("should refuse a file that is truncated at any position", () => {
    const text = real(`fio-${version}-randread`).trimEnd();
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        expect(() => parseFio(text.slice(0, length), small)).toThrow(/cut off|nothing|no JSON/);
      }),
      { numRuns: 50 },
    );
  });
});

describe.each(["12.6", "12.7"])("parseIostat on output of sysstat %s", (version) => {
  it("should leave out the sample since boot, and keep iostat's keys", () => {
    const { samples, mended } = parseIostat(real(`iostat-${version}`));
    expect(samples).toHaveLength(3);
    expect(mended).toBe(false);
    expect(Object.keys(samples[0]!.cpu)).toEqual(["user", "nice", "system", "iowait", "steal", "idle"]);
    expect(samples[0]!.devices["vda"]!["rkB/s"]).toBeGreaterThanOrEqual(0);
    expect(samples[0]!.devices["vda"]!["rMB/s"]).toBeUndefined();
  });

  it("should read the complete file that SIGINT leaves", () => {
    expect(parseIostat(real(`iostat-${version}-sigint`)).mended).toBe(false);
  });

  it("should complete the file that SIGTERM truncates", () => {
    const { samples, mended } = parseIostat(real(`iostat-${version}-sigterm`));
    expect(mended).toBe(true);
    expect(samples).toHaveLength(2);
  });

  it("should read the file that -y writes", () => {
    expect(parseIostat(real(`iostat-${version}-y`)).samples).toHaveLength(2);
  });

  it("should skip a stray comma", () => {
    const text = real(`iostat-${version}`).replace('"statistics": [', '"statistics": [\n,');
    expect(parseIostat(text)).toEqual(parseIostat(real(`iostat-${version}`)));
  });

  it("should keep complete samples, or refuse, wherever the file is truncated", () => {
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

  it("should leave a key absent that iostat did not write", () => {
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

  it("should give GiB/s as MB/s, and refuse a figure of 0", () => {
    const fast = real("juicefs-1.4-bench").replace("353.79 MiB/s", "  1.50 GiB/s");
    expect(parseJuicefsBench(fast)["writeBig"]!.value).toBeCloseTo(1.5 * 1073.741824, 6);
    const nothing = real("juicefs-1.4-bench").replace("353.79", "  0.00");
    expect(() => parseJuicefsBench(nothing)).toThrow('"Write big file" is 0.00');
  });

  it("should refuse a run that could not drop caches", () => {
    expect(() => parseJuicefsBench(real("juicefs-1.4-bench-caches-not-dropped"))).toThrow(
      /^juicefs bench: Failed to clean kernel caches/,
    );
    const table = real("juicefs-1.4-bench");
    for (const line of ["<ERROR> cannot drop the cache", `<WARNING>: ${"clear the cache ".repeat(20)}`])
      expect(() => parseJuicefsBench(`${line}\n${table}`)).toThrow(/^juicefs bench: .{25,120}$/);
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
  it("should read real records of a compile and of cat", () => {
    const { compile } = parseLoops(real("runner-compile"), { compile: "files/s" });
    expect([compile!.operations, compile!.value.toFixed(3)]).toEqual([10, "2.347"]);
    expect(total(compile!.latencies!)).toBe(10);
    const { cat } = parseLoops(real("runner-cat"), { cat: "files/s" });
    expect([cat!.operations, cat!.value.toFixed(2)]).toEqual([24, "32.63"]);
  });

  const loops = JSON.stringify({ get: { operations: 50, seconds: 0.1, histogram: { "2048": 50 } } });

  it("should give operations per second, or the time of one", () => {
    expect(parseLoops(loops, { get: "ops/s" })["get"]!.value).toBe(500);
    expect(parseLoops(loops, { get: "us" })["get"]!.value).toBe(2000);
    const shortest = JSON.stringify({ get: { operations: 50, seconds: 0.001 } });
    expect(parseLoops(shortest, { get: "ops/s" })["get"]!.value).toBe(50_000);
  });

  it("should give latencies at the middles of the runner's buckets", () => {
    expect(parseLoops(loops, { get: "ops/s" })["get"]!.latencies).toEqual(new Map([[2175.5, 50]]));
  });

  it("should count as misses only requests to JuiceFS for attributes or a name", () => {
    const loop = { operations: 100, seconds: 1, asked: 90, requests: { lookup: 20, getattr: 7, open: 90 } };
    const { stat } = parseLoops(JSON.stringify({ stat: loop }), { stat: "ops/s" });
    expect(stat).toMatchObject({ asked: 90, missed: 27 });
  });

  it("should refuse a loop that began too long after its files were warmed", () => {
    const warmed = (gap: number): string =>
      JSON.stringify({ hit: { operations: 50, seconds: 0.1, gap }, miss: { operations: 50, seconds: 0.1 } });
    const units = { hit: "ops/s", miss: "ops/s" };
    expect(parseLoops(warmed(0.4), units, 0.5)["hit"]!.value).toBe(500);
    expect(() => parseLoops(warmed(0.62), units, 0.5)).toThrow(
      "hit began 0.6 s after its files were warmed, more than 0.5 s",
    );
  });

  it("should have no latencies if the clock was read once for many operations", () => {
    const { stat } = parseLoops(JSON.stringify({ stat: { operations: 64, seconds: 1, batch: 32 } }), {
      stat: "ops/s",
    });
    expect(stat).toEqual({ value: 64, operations: 64 });
  });

  it.each([
    [
      JSON.stringify({ get: { operations: 1, seconds: 1, histogram: { x1: 1 } } }),
      "the loops: get.histogram",
    ],
    [
      JSON.stringify({ get: { operations: 1, seconds: 1, histogram: { "1x": 1 } } }),
      "the loops: get.histogram",
    ],
    [JSON.stringify({ put: {} }), "the loops: put.operations"],
    ["{}", "the loops have no figure get"],
    [loops.slice(0, 20), "the JSON of the loops is cut off"],
    ["", "the loops wrote nothing"],
  ])("should refuse %j", (text, message) => {
    expect(() => parseLoops(text, { get: "us" })).toThrow(message);
  });

  it.each([
    [{ operations: 0, seconds: 0, histogram: {} }, "no get was finished in its time"],
    [{ operations: 0, seconds: 1 }, "no get was finished in its time"],
    [{ operations: 50, seconds: 0 }, "no get was finished in its time"],
    [
      { operations: 50, seconds: 0.0001, histogram: {} },
      "the loops: get lasted 0.100 ms: too little for a figure",
    ],
  ])("should say that %j is too little, and keep other figures", (get, message) => {
    const text = JSON.stringify({ get, put: { operations: 50, seconds: 1 } });
    const parsed = parseLoops(text, { get: "us", put: "us" });
    expect(parsed["get"]!.tooLittle).toContain(message);
    expect(parsed["put"]).toMatchObject({ value: 20_000, tooLittle: undefined });
  });
});

describe("parseRay", () => {
  const clients = ["node1", "node2"];

  it("should give all clients' small files per second and large files in MB/s", () => {
    const { small: few, large } = parseRay(JSON.stringify(rayAnswer(clients)), clients);
    expect(few!.value).toBe(80);
    expect(large!.value).toBeCloseTo((2 * 1.048576) / 0.2, 6);
    expect([few!.tooLittle, large!.tooLittle]).toEqual([undefined, undefined]);
  });

  it("should have no figure of a part that took too short a time", () => {
    const answer = rayAnswer(clients);
    Object.assign(answer.small, { seconds: 0.05 });
    Object.assign(answer.large, { seconds: 0.0499 });
    const { small: few, large } = parseRay(JSON.stringify(answer), clients);
    expect(few!.tooLittle).toBeUndefined();
    expect(large!.tooLittle).toBe(
      "the Ray tasks: the large files took 49.9 ms, less than 50 ms: too little for a figure",
    );
  });

  it.each<[string, (small: InventedRay, large: InventedRay) => void, string]>([
    [
      "one byte of one file of many",
      (few) =>
        few.tasks.forEach((task, index) => Object.assign(task, { files: 1 - index, bytes: 1 - index })),
      "node1 read 1 small files and 1 bytes, not its share of 4 files and 16384 bytes",
    ],
    [
      "a client without a share of the large files",
      (_, large) => large.tasks.forEach((task) => (task.client = "node1")),
      "node1 read 2 large files and 2097152 bytes, not its share of 1 files",
    ],
    [
      "a file that was cut off",
      (_, large) => (large.tasks[1]!.bytes -= 1),
      "node2 read 1 large files and 1048575 bytes",
    ],
    [
      "all bytes in fewer files",
      (few) => (few.tasks[0]!.files -= 1),
      "node1 read 3 small files and 16384 bytes, not its share of 4 files and 16384 bytes",
    ],
  ])("should refuse %s", (_, change, message) => {
    const answer = rayAnswer(clients);
    change(answer.small, answer.large);
    expect(() => parseRay(JSON.stringify(answer), clients)).toThrow(message);
  });

  it("should refuse a file that is empty or of another shape", () => {
    expect(() => parseRay("", clients)).toThrow("the Ray tasks wrote nothing");
    expect(() => parseRay("{}", clients)).toThrow("the Ray tasks: small");
  });
});

describe("parseTagging", () => {
  const files = Array.from({ length: 200 }, (_, index) => ({ client: "node1", seconds: (index + 1) / 100 }));
  const whole = { seconds: 4, files, searches: [0.02, 0.03, 0.9], requests: 1000 };

  it("should give files per second, percentiles in microseconds, and requests for each file", () => {
    const figures = parseTagging(JSON.stringify(whole));
    expect(Object.entries(figures).map(([name, { value }]) => [name, Math.round(value)])).toEqual([
      ["tagged", 50],
      ["searchable50", 1_000_000],
      ["searchable99", 1_980_000],
      ["search", 30_000],
      ["requests", 5],
    ]);
  });

  it.each<[string, object, string]>([
    [
      "a file without tags",
      { files: [...files, { client: "node2", seconds: null }] },
      "1 of 201 files were not",
    ],
    ["a window without files", { files: [] }, "no file was written"],
    ["a window without a search", { searches: [] }, "no search was answered"],
    ["no count of requests", { requests: undefined }, "requests"],
  ])("should refuse %s", (_, change, message) => {
    expect(() => parseTagging(JSON.stringify({ ...whole, ...change }))).toThrow(message);
  });
});
