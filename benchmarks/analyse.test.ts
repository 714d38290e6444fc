import { jest } from "@jest/globals";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { analyse, isDecided } from "./analyse.ts";
import { analyseFolder, writeResults } from "./results.ts";
import { runSchema, type Result, type Run } from "./run.ts";
import { summaryCsv } from "./summaryCsv.ts";
import { controlText, earlierText, hitText, onceText } from "./words.ts";
import { chartData } from "./report/chartData.ts";
import { renderHowToRead, renderReport } from "./report/report.ts";
import { inventRun, type Invented, type InventedPoint } from "./testdata/rawRun.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function invent(options: Invented = {}): string {
  const folder = inventRun(options);
  folders.push(folder);
  return folder;
}

function resultOf(options: Invented, workload = "metadata", figure = "statHit"): Result {
  const { run } = analyse(join(invent(options), "raw"));
  const found = run.results.find((result) => result.workload === workload && result.figure === figure);
  return found!;
}

/** Changes the points of one arm's metadata workload. */
const spoil =
  (label: string, change: (point: InventedPoint) => void, blocks = [1, 2, 3]) =>
  (point: InventedPoint): InventedPoint => {
    if (point.label === label && point.workload === "metadata" && blocks.includes(point.block)) change(point);
    return point;
  };

/** Only the metadata workload, because ten blocks of all workloads are many files. */
const onlyMetadata = (point: InventedPoint): InventedPoint | undefined =>
  point.workload === "metadata" ? point : undefined;
const fifth = (figure: string, label: string): number =>
  figure === "statHit" && label === "nocache" ? 200 : 1000;

describe("analyse", () => {
  it("should call a fifth of the rate worse, and add the clients' rates", () => {
    const result = resultOf({ profile: "course", rate: fifth, point: onlyMetadata });
    expect(result).toMatchObject({ verdict: "worse", decidedAt: 10, blocks: 10, planned: 10 });
    expect(result).toMatchObject({ unit: "ops/s", better: "higher", arm: "nocache" });
    expect(result.ratio!.centre).toBeCloseTo(0.2, 2);
    expect(result.baseline! / 2000).toBeCloseTo(1, 1);
    const { low, high, least, most, centre } = result.ratio!;
    expect([least, low!, centre, high!, most]).toEqual(
      [least, low!, centre, high!, most].sort((a, b) => a - b),
    );
    expect(result.p!.randomisation).toBeLessThan(1e-3);
    // With 2 % noise, and 2 clients.
    expect(result.smallestFactor!).toBeGreaterThan(1.01);
    expect(result.smallestFactor!).toBeLessThan(1.1);
  });

  it("should call noise undetermined, with the smallest factor that the run could have detected", () => {
    let turn = 0;
    const rate = (): number => 1000 * [0.4, 1, 1.9, 0.7, 1.3][turn++ % 5]!;
    const result = resultOf({ profile: "course", rate, point: onlyMetadata });
    expect(result).toMatchObject({ verdict: "undetermined", decidedAt: null });
    expect(result.smallestFactor!).toBeGreaterThan(1.3);
  });

  it("should give no verdict for three blocks, but the ratio and the range of the blocks", () => {
    const result = resultOf({ rate: fifth });
    expect(result).toMatchObject({ verdict: null, decidedAt: null, smallestFactor: null, blocks: 3 });
    expect(result.ratio).toMatchObject({ low: null, high: null });
    expect(result.ratio!.most).toBeLessThan(0.25);
  });

  it("should judge a run with looks by its measured blocks, and report when no more are needed", () => {
    const rows = ["metadata/statHit/nocache"];
    const until = (last: number, rate: Invented["rate"]) =>
      analyse(
        join(
          invent({
            profile: "course",
            rows,
            rate,
            point: (point) => (point.block <= last ? onlyMetadata(point) : undefined),
          }),
          "raw",
        ),
      ).run;
    const found = until(10, fifth);
    expect(found).toMatchObject({ look: 10, looks: [10, 15, 20, 30], rows });
    expect(isDecided(found)).toBe(true);
    let turn = 0;
    const noisy = (): number => 1000 * [0.4, 1, 1.9, 0.7, 1.3][turn++ % 5]!;
    const open = until(13, noisy);
    expect(open.look).toBe(10);
    expect(isDecided(open)).toBe(false);
    expect(isDecided({ ...open, lost: "node lost" })).toBe(true);
    expect(isDecided({ ...open, look: 30 })).toBe(true);
  });

  it("should measure more blocks for a requested row that is INVALID at a look, and count it when it recovers", () => {
    const until = (last: number) =>
      analyse(
        join(
          invent({
            profile: "course",
            rows: ["metadata/statHit/nocache"],
            rate: fifth,
            point: (point) =>
              point.block <= last
                ? onlyMetadata(
                    spoil("nocache", (spoilt) => {
                      spoilt.invalid = "node1: no mount";
                      spoilt.clients = {};
                    })(point),
                  )
                : undefined,
          }),
          "raw",
        ),
      ).run;
    const verdict = (run: Run): Result["verdict"] | undefined =>
      run.results.find(({ figure }) => figure === "statHit")?.verdict;
    const first = until(10);
    expect(verdict(first)).toBe("INVALID(node1: no mount; 3 of 10 blocks)");
    expect(isDecided(first)).toBe(false);
    const second = until(15);
    expect([verdict(second), isDecided(second)]).toEqual(["worse", true]);
  });

  it("should refuse a row if a time limit ended one of its windows, and not measure more blocks for it", () => {
    const point = spoil("nocache", (spoilt) => (spoilt.invalid = "node1: fio took more than 9 s"), [4]);
    const rows = ["metadata/statHit/nocache"];
    const { run } = analyse(
      join(
        invent({
          profile: "course",
          rows,
          rate: fifth,
          point: (entry) => (entry.block <= 10 ? onlyMetadata(point(entry)) : undefined),
        }),
        "raw",
      ),
    );
    const found = run.results.find(({ figure }) => figure === "statHit");
    expect(found!.verdict).toBe("INVALID(node1: fio took more than 9 s; 1 of 10 blocks)");
    expect([run.look, isDecided(run)]).toEqual([10, true]);
  });

  it("should refuse a row if one of its points did too little, and keep the other figures of that point", () => {
    const folder = join(invent({ profile: "course", rate: fifth, point: onlyMetadata }), "raw");
    const slow = readdirSync(join(folder, "points")).find((name) => /^004-.-nocache-metadata$/.test(name))!;
    for (const client of ["node1", "node2"]) {
      const file = join(folder, "points", slow, `${client}.loops.json`);
      const all = JSON.parse(readFileSync(file, "utf8")) as Record<string, { operations: number }>;
      all["statHit"]!.operations = 4;
      writeFileSync(file, JSON.stringify(all));
    }
    const { results } = analyse(folder).run;
    const verdict = (figure: string): unknown => results.find((row) => row.figure === figure)?.verdict;
    expect(verdict("statHit")).toBe(
      "INVALID(statHit: 8 operations, fewer than 10: too little for a figure; 1 of 10 blocks)",
    );
    expect(verdict("openHit")).not.toMatch(/INVALID/);
  });

  it("should count earlier runs that measured the same, and skip a neighbour that cannot be read", () => {
    const beside = mkdtempSync(join(tmpdir(), "disgrafs-results-"));
    folders.push(beside);
    const place = (name: string, day: number, options: Invented): string => {
      const folder = join(beside, name);
      cpSync(invent({ profile: "course", point: () => undefined, ...options }), folder, { recursive: true });
      const file = join(folder, "raw/facts.json");
      const started = `2026-11-0${day}T10:00:00Z`;
      writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), started }));
      return folder;
    };
    place("first", 1, { seed: 4 });
    place("other profile", 2, { profile: "attributes" });
    place("other arms", 2, { arms: ["ttl-long"] });
    place("other rows", 3, { seed: 4, rows: ["metadata/statHit"] });
    place("other margin", 4, { seed: 5, marginPercent: 2 });
    place("other machines", 5, { seed: 5, machineIds: ["b"] });
    place("later", 9, { seed: 6 });
    writeFileSync(join(beside, "comparison.html"), "");
    const broken = place("broken", 1, { seed: 8 });
    writeFileSync(join(broken, "raw/plan.json"), "");
    const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
    const own = place("own", 6, { seed: 5, rows: ["metadata/openHit"] });
    const { run } = [analyseFolder(own), analyseFolder(own)][0]!;
    expect(said.mock.calls).toEqual([
      [
        expect.stringMatching(
          /^warning: .*broken\/raw\/plan\.json cannot be read, so its run is not counted: /,
        ),
      ],
    ]);
    said.mockRestore();
    expect(run.earlierRuns.map(({ seed, started }) => `${started.slice(8, 10)} ${seed}`)).toEqual([
      "01 4",
      "03 4",
      "04 5",
      "05 5",
    ]);
    expect(earlierText(run)[0]).toMatch(/^5th run of these settings here \(before it: course-/);
  });

  it("should accept that all clients begin late by the same time", () => {
    const late = (point: InventedPoint): InventedPoint => {
      for (const client of Object.values(point.clients)) client["late"] = 1.5;
      return point;
    };
    for (const clients of [["node1", "node2"], ["node1"]]) {
      expect(resultOf({ clients, point: late }).ratio).not.toBeNull();
    }
  });

  it("should have charts but no comparison if there is only the baseline", () => {
    const analysis = analyse(join(invent({ arms: ["ttl"] }), "raw"));
    expect(analysis.run.results).toEqual([]);
    const { first, figures } = chartData(analysis);
    expect(figures.map(({ id }) => id)).toContain(first);
    expect(renderReport([analysis])).toContain('id="verdict-table"');
  });

  it("should keep the cost of the lab so far, and null for local machines", () => {
    const raw = join(invent(), "raw");
    expect(analyse(raw).run.usage).toBeNull();
    const lab = { stack: "aws", commit: null, dirty: null };
    const write = (usage: object) => {
      writeFileSync(join(raw, "lab.json"), JSON.stringify({ ...lab, ...usage }));
    };
    write({ usage: { hours: 1.5, usd: 0.54 } });
    expect(analyse(raw).run.usage).toEqual({ hours: 1.5, usd: 0.54 });
    expect(renderReport([analyse(raw)])).toContain("about 0.54 USD, in 1.5 h since its first up");
    // As in runs of an earlier version.
    write({});
    expect(analyse(raw).run.usage).toBeNull();
  });

  it("should add the look-ups of all clients before it takes the share of hits, and have none if a client did not count", () => {
    const counts: Record<string, [asked: number, requests: Record<string, number>]> = {
      node1: [1000, { lookup: 60, getattr: 40, open: 1000, release: 1000 }],
      node2: [3000, { lookup: 1000, getattr: 500 }],
    };
    const loop = (figure: string, client: string): Record<string, unknown> => {
      const [asked, requests] = counts[client]!;
      if (figure === "statHit") return { asked, requests };
      if (figure === "openHit") return { asked, requests: { lookup: 2 * asked } };
      return figure === "rename" && client === "node1" ? { asked, requests } : {};
    };
    const { run } = analyse(join(invent({ loop }), "raw"));
    const points = run.points.filter(({ workload }) => workload === "metadata");
    expect(points.length).toBeGreaterThan(0);
    // Weighted by look-ups: the mean of both clients' shares would be 0.7.
    for (const { hitShares } of points) expect(hitShares).toEqual({ statHit: 0.6, openHit: 0 });
    const row = run.results.find(({ figure }) => figure === "statHit")!;
    expect(hitText(run, row)).toBe("60 % → 60 %");
  });

  it.each([
    ["requests/file", "lower", "0.5 times as many requests for each file"],
    ["us", "lower", "an operation takes 0.5 times as long"],
    ["ops/s", "higher", "0.5 times as much in the same time"],
  ] as const)("should explain a ratio in the words of its unit: %s", (unit, better, words) => {
    const analysis = analyse(join(invent(), "raw"));
    const [result] = analysis.run.results;
    const ratio = { ...result!.ratio!, centre: 0.5 };
    const run = { ...analysis.run, results: [{ ...result!, unit, better, ratio }] };
    const text = renderHowToRead({ ...analysis, run }).replaceAll(/\s+/g, " ");
    expect(text).toContain(`so ${words}.`);
    expect(text).toContain(`(${unit}, ${better} is better)`);
  });

  it("should warn if the control differs between arms", () => {
    const rate = (figure: string, label: string, workload: string): number =>
      workload === "control" && figure === "create" && label === "nocache" ? 200 : 1000;
    const point = (record: InventedPoint): InventedPoint | undefined =>
      record.workload === "control" ? record : undefined;
    const analysis = analyse(join(invent({ profile: "course", rate, point }), "raw"));
    expect(controlText(analysis.run)).toEqual([
      expect.stringMatching(/^control create is worse in nocache\. No arm changes the control/),
    ]);
    expect(renderReport([analysis])).toContain("control create is worse in nocache");
    const fine = analyse(join(invent(), "raw"));
    expect(controlText(fine.run)).toEqual([]);
    // For several runs, the message names the run.
    const both = [analysis, { ...fine, run: { ...fine.run, runId: "attributes-000000000000" } }];
    expect(renderReport(both)).toContain(`${analysis.run.runId}: control create is worse in nocache`);
  });

  it("should find no difference, and almost no noise, if there is none", () => {
    const result = resultOf({ profile: "course", noise: 0.001, point: onlyMetadata });
    expect(result).toMatchObject({ verdict: "no difference", decidedAt: 10 });
  });

  it("should list an arm's programs in the kernel, with their runs in the measured windows", () => {
    const programs = [{ name: "on_packet", tag: "00aa" }];
    const point = (record: InventedPoint): InventedPoint => {
      if (record.label === "nocache")
        for (const client of Object.values(record.clients))
          for (const [when, count] of [
            ["before", 5],
            ["after", 12],
          ] as const)
            Object.assign((client["proof"] as Record<string, object>)[when]!, {
              script: { count, programs },
            });
      return record;
    };
    const { run } = analyse(join(invent({ point }), "raw"));
    const points = run.points.filter(({ label }) => label === "nocache");
    expect(points.length).toBeGreaterThan(0);
    expect(run.arms.find(({ name }) => name === "nocache")).toMatchObject({
      programs,
      count: points.length * 2 * 7,
    });
    expect(run.arms.find(({ name }) => name === "ttl")).toMatchObject({ programs: [], count: null });
  });

  it("should have no verdict for a workload that runs once, but whether it works", () => {
    const fine = analyse(join(invent(), "raw")).run;
    expect(fine.results.map(({ workload }) => workload)).not.toContain("redis");
    expect(onceText(fine)).toEqual([
      "run once, not compared: ray works, walk-warm works, tagger-warm works, application works, " +
        "random-read works, juicefs-bench works, redis works",
    ]);
    const point = (record: InventedPoint): InventedPoint => ({
      ...record,
      invalid: record.workload === "ray" ? "a Ray task failed" : null,
    });
    expect(onceText(analyse(join(invent({ point }), "raw")).run)[0]).toContain(
      "ray INVALID(a Ray task failed), walk-warm works",
    );
  });

  it("should report a workload that was never measured", () => {
    const { run } = analyse(join(invent({ profile: "course", point: onlyMetadata }), "raw"));
    expect(run.results.find(({ workload }) => workload === "redis")!.verdict).toBe(
      "INVALID(not measured; 10 of 10 blocks)",
    );
  });

  it.each(["qemu", null])(
    "should give only ratios if a machine is or may be emulated (%s)",
    (virtualization) => {
      const result = resultOf({ virtualization });
      expect(result).toMatchObject({ baseline: null, value: null, verdict: null });
      expect(result.ratio).not.toBeNull();
    },
  );

  it.each<[string, Invented, string]>([
    [
      "a failed cache drop",
      {
        point: spoil(
          "nocache",
          (point) => (point.invalid = "cold-cache protocol failed: node1: drop caches"),
        ),
      },
      "INVALID(cold-cache protocol failed: node1: drop caches; 3 of 3 blocks)",
    ],
    [
      "stolen CPU time",
      { point: spoil("nocache", stealOn("node2"), [2]) },
      "INVALID(node2: CPU steal 10.0 %, more than 5 %; 1 of 3 blocks)",
    ],
    [
      "a client that began late",
      { point: spoil("ttl", (point) => (point.clients["node1"]!["late"] = 1.5), [1]) },
      "INVALID(node1 began 1.5 s after the first, in a window of 0.8 s: the clients did not run together; 1 of 3 blocks)",
    ],
    [
      "a client that is missing",
      { point: spoil("nocache", (point) => delete point.clients["node2"]) },
      "INVALID(no answer from node2; 3 of 3 blocks)",
    ],
    [
      "a second turn of the baseline that is missing",
      { point: spoil("ttl-again", (point) => (point.invalid = "node lost: node2")) },
      "INVALID(node lost: node2; 3 of 3 blocks)",
    ],
    [
      "a run that was lost",
      { lost: "node lost: node2", point: (point) => (point.block < 2 ? point : undefined) },
      "INVALID(not measured: node lost: node2; 2 of 3 blocks)",
    ],
  ])("should give no number for %s", (_, options, verdict) => {
    expect(resultOf(options)).toMatchObject({
      verdict,
      ratio: null,
      value: null,
      baseline: null,
      noise: null,
    });
  });

  it("should refuse and name output that a parser refuses", () => {
    const folder = invent({ profile: "course" });
    empty(folder, "fio.json");
    const { run } = analyse(join(folder, "raw"));
    const found = run.results.find(({ workload }) => workload === "random-read")!;
    expect(found.verdict).toBe("INVALID(fio wrote nothing; 3 of 10 blocks)");
  });

  it("should accept figures without iostat, and report which points lack its samples and why", () => {
    const folder = invent({ profile: "course" });
    const whole = analyse(join(folder, "raw"));
    expect(whole.run.points.filter(({ iostatGaps }) => Object.keys(iostatGaps).length > 0)).toEqual([]);
    expect(renderReport([whole])).not.toContain('id="iostat-gaps"');

    const [nothing, none, cut] = pointFolders(folder);
    writeFileSync(join(nothing!, "node1.iostat.json"), "");
    rmSync(join(none!, "node2.iostat.json"));
    const file = join(cut!, "node1.iostat.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.slice(0, text.lastIndexOf('"disk"')));
    const analysis = analyse(join(folder, "raw"));
    const { run } = analysis;
    expect(run.results.find(({ workload }) => workload === "random-read")!.ratio).not.toBeNull();
    expect(
      run.points.map(({ iostatGaps }) => iostatGaps).filter((gaps) => Object.keys(gaps).length > 0),
    ).toEqual([
      { node1: "iostat wrote nothing" },
      { node2: "node2.iostat.json is missing" },
      { node1: "iostat: cut off, 2 complete samples kept" },
    ]);
    expect(renderReport([analysis])).toContain("random-read on node1: iostat wrote nothing (block 2, ttl)");
  });

  it("should report a window without a sample, for which iostat was too slow", () => {
    const folder = invent({ profile: "course" });
    const [short] = pointFolders(folder);
    const file = join(short!, "node1.iostat.json");
    const text = readFileSync(file, "utf8");
    // The first report is an average since boot and not a sample.
    const first = text.slice(0, text.indexOf("\t},\n"));
    writeFileSync(file, `${first}}]}]}}\n`);
    const { run } = analyse(join(folder, "raw"));
    const gaps = run.points.map(({ iostatGaps }) => iostatGaps).find((found) => "node1" in found);
    expect(gaps).toEqual({
      node1: "no sample: the window ended before iostat printed more than its average since boot",
    });
  });

  it("should have the facts of all boots in which the run measured, the last one first", () => {
    const folder = invent();
    const file = join(folder, "raw/facts.json");
    const facts = JSON.parse(readFileSync(file, "utf8")) as { clients: Record<string, { bootId: string }> };
    const before = structuredClone(facts.clients);
    before["node2"]!.bootId = "99999999-2222-3333-4444-555555555555";
    writeFileSync(
      file,
      JSON.stringify({ ...facts, starts: [{ clients: before }, { clients: facts.clients }] }),
    );
    const { run } = analyse(join(folder, "raw"));
    expect(run.machines.map(({ name, bootId }) => `${name} ${bootId.slice(0, 2)}`)).toEqual([
      "node1 11",
      "node2 11",
      "node2 99",
    ]);
  });

  it("should count the half blocks that all starts discarded, and know of none in an older run", () => {
    const folder = invent();
    const file = join(folder, "raw/facts.json");
    const facts = JSON.parse(readFileSync(file, "utf8")) as { clients: object };
    const countOf = (discarded: object[]): number | null => {
      const starts = discarded.map((each) => ({ clients: facts.clients, ...each }));
      writeFileSync(file, JSON.stringify({ ...facts, starts }));
      return analyse(join(folder, "raw")).run.discarded;
    };
    expect(countOf([{ discarded: 0 }, { discarded: 2 }, { discarded: 1 }])).toBe(3);
    expect(countOf([{ discarded: 0 }])).toBe(0);
    expect(countOf([{}, {}])).toBeNull();
  });

  it("should put runs of different work in separate rows, and report how they differ", () => {
    const [small, large] = (["smoke", "course"] as const).map((profile) =>
      analyse(join(invent({ profile, point: onlyMetadata }), "raw")),
    );
    const text = renderReport([small!, large!]);
    const rows = text.match(/<th scope="row">\s*metadata stat, hit.*?<\/th>/gs) ?? [];
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toMatch(/<small>files \d+, /);
    expect(renderReport([small!, small!]).match(/<th scope="row">\s*metadata stat, hit/g)).toHaveLength(1);
  });

  it("should report the volume's parts, and read a run that did not record them", () => {
    const raw = join(invent(), "raw");
    expect(analyse(raw).run.services).toEqual({});
    const lab = { stack: "local", commit: null, dirty: null };
    const services = { redis: "8.0.2", "object store": "SeaweedFS 4.03" };
    writeFileSync(join(raw, "lab.json"), JSON.stringify({ ...lab, services }));
    const analysis = analyse(raw);
    expect(analysis.run.services).toEqual(services);
    expect(renderReport([analysis])).toContain("juicefs 1.4.2, redis 8.0.2, object store SeaweedFS 4.03");
    writeFileSync(join(raw, "lab.json"), JSON.stringify(lab));
    expect(analyse(raw).run.services).toEqual({});
  });

  it("should name a file that another version wrote", () => {
    const folder = invent();
    const file = join(folder, "raw/plan.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"version":2', '"version":1'));
    expect(() => analyse(join(folder, "raw"))).toThrow(
      `${file} was not written by this version of disgrafs-lab`,
    );
  });
});

/** Empties a raw file of `node1` in the baseline's random-read, in three blocks. */
function empty(folder: string, name: string): void {
  for (const point of pointFolders(folder)) writeFileSync(join(point, `node1.${name}`), "");
}

/** Folders of the baseline's random-read in three blocks. */
function pointFolders(folder: string): string[] {
  const points = join(folder, "raw/points");
  const found = readdirSync(points).filter((point) => /^00[2-4]-\d-ttl-random-read$/.test(point));
  expect(found).toHaveLength(3);
  return found.sort().map((point) => join(points, point));
}

function stealOn(client: string): (point: InventedPoint) => void {
  return (point) => {
    const counters = point.clients[client]!["counters"] as { after: { stealTicks: number } };
    counters.after.stealTicks = 41; // of 400 ticks, from 1
  };
}

describe("writeResults", () => {
  it("should write a run.json that matches the schema and is the same each time", () => {
    const folder = invent();
    const run = writeResults(folder);
    const text = readFileSync(join(folder, "run.json"), "utf8");
    expect(runSchema.parse(JSON.parse(text))).toEqual(run);
    writeResults(folder);
    expect(readFileSync(join(folder, "run.json"), "utf8")).toBe(text);
  });

  it("should write the verdict table as CSV, with all digits and a quoted reason", () => {
    const result = resultOf({ point: spoil("nocache", (point) => (point.invalid = 'it said "no", twice')) });
    const good = resultOf({});
    const lines = summaryCsv([result, good]).split("\r\n");
    expect(lines[0]).toMatch(/^workload,figure,arm,unit,better,baseline,value,ratio,low,high/);
    expect(lines[1]).toMatch(/,"INVALID\(it said ""no"", twice; 3 of 3 blocks\)",$/);
    expect(lines[2]!.split(",")[7]).toBe(String(good.ratio!.centre));
    expect(lines.every((line) => line === "" || line.includes('""') || line.split(",").length === 21)).toBe(
      true,
    );
  });
});
