import { armNames } from "./arms.ts";
import { matchRows, tableRows } from "./rows.ts";

describe("tableRows", () => {
  it("should have a row for each figure of each arm that is compared with the baseline", () => {
    const rows = tableRows("course", ["nocache", "ttl", "ttl-long"], false);
    expect(rows.slice(0, 2)).toEqual(["sequential-read/read/nocache", "sequential-read/read/ttl-long"]);
    expect(rows).toContain("metadata/statHit/ttl-long");
    expect(rows.filter((row) => !/^[\w-]+\/\w+\/(nocache|ttl-long)$/.test(row))).toEqual([]);
    expect(new Set(rows).size).toBe(rows.length);
  });

  it("should have no row for a workload that runs once and is not compared", () => {
    const workloads = (profile: "smoke" | "course"): string[] => [
      ...new Set(tableRows(profile, ["nocache"], true).map((row) => row.split("/")[0] ?? "")),
    ];
    expect(workloads("smoke").sort()).toEqual(["control", "metadata"]);
    expect(workloads("course")).toEqual(expect.arrayContaining(["control", "metadata", "ray", "tagging"]));
  });
});

describe("matchRows", () => {
  const rows = [
    "metadata/statHit/nocache",
    "metadata/statHit/ttl-long",
    "metadata/open/nocache",
    "ray/small/nocache",
  ];

  it.each([
    [["metadata/statHit/nocache"], [0]],
    [["metadata/statHit"], [0, 1]],
    [["metadata"], [0, 1, 2]],
    [["metadata/*/nocache"], [0, 2]],
    [["*"], [0, 1, 2, 3]],
    [["*/*/ttl-long"], [1]],
    [
      ["ray", "metadata/statHit", "metadata/*/nocache"],
      [0, 1, 2, 3],
    ],
    [[], []],
  ])("should give the rows that %j names, each once, in the table's order", (patterns, places) => {
    expect(matchRows(rows, patterns)).toEqual(places.map((place) => rows[place]));
  });

  it.each([
    ["metadata/stat", 'metadata has no figure "stat"; the figures: statHit, open'],
    ["statHit", 'the run has no workload "statHit"; the workloads: metadata, ray'],
    ["", 'the run has no workload ""; the workloads: metadata, ray'],
    ["*/small/ttl-long", 'the run has no arm "ttl-long"; the arms: nocache'],
    ["*/stat", 'the run has no figure "stat"; the figures: statHit, open, small'],
    ["ray/small/nocache/x", "it has 4 parts"],
  ])(
    "should refuse %j, which names no row, and say what exists in place of the wrong part",
    (pattern, reason) => {
      expect(() => matchRows(rows, ["metadata", pattern])).toThrow(
        `no row of the verdict table is called "${pattern}": ${reason}. A row is WORKLOAD/FIGURE/ARM, and * stands for all`,
      );
    },
  );

  it("should say that a run without arms has no rows", () => {
    expect(() => matchRows(tableRows("course", ["ttl"], false), ["*"])).toThrow(
      'is called "*": the run has no arm besides the baseline.',
    );
  });

  it("should explain a mistyped row of the largest table in a few lines", () => {
    const all = tableRows("paper", armNames, true);
    for (const pattern of ["metadata/statt/nocache", "metdata", "*/statt", "metadata/*/fuse"]) {
      const failure = (): unknown => matchRows(all, [pattern]);
      expect(failure).toThrow("no row of");
      expect(failure).not.toThrow(/^.{1200}/s);
    }
  });
});
