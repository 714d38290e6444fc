import { askedFor, changeFor, type Asked } from "./bench.ts";
import type { Profile } from "../../benchmarks/workloads.ts";

const asked = (profile: Profile, options: { seed?: string; arms?: string; rows?: string } = {}): Asked =>
  askedFor(profile, options);

describe("the command line of ./lab bench", () => {
  it.each([
    [{ arms: "nocahe" }, '--arms: no arm is called "nocahe"; arms: ttl, nocache, '],
    [
      { arms: "nocache,chain-wq" },
      "--arms: the profile course cannot measure chain-wq: its arms are ttl, nocache, ",
    ],
    [{ seed: "0" }, "--seed 0: a whole number"],
    [
      { rows: "metdata" },
      '--rows: no row of the verdict table is called "metdata": the run has no workload "metdata"',
    ],
    [{ rows: "metadata/statHit/chain-wq" }, 'the run has no arm "chain-wq"; the arms: nocache, '],
    [{ rows: "metadata/*/ttl-long", arms: "nocache" }, 'the run has no arm "ttl-long"; the arms: nocache.'],
  ])("is refused by itself if it cannot be used: %j", (options, words) => {
    expect(() => asked("course", options)).toThrow(words);
  });

  it("does not offer arms that the profile cannot measure for a mistyped row", () => {
    expect(() => asked("course", { rows: "*/*/x" })).toThrow(
      /the arms: nocache,(?!.*(chain-|local)).*\. A row/,
    );
  });

  it("takes all rows, or none, also of a profile without verdicts", () => {
    expect(asked("course", { rows: "all" }).rows).toEqual(["*"]);
    expect(asked("smoke", { rows: "none" }).rows).toEqual([]);
    expect(() => asked("smoke", { rows: "all" })).toThrow("--rows: the profile smoke gives no verdicts");
  });
});

describe("the settings of ./lab bench", () => {
  it("are only the profile if nothing else was asked for", () => {
    expect(changeFor(asked("smoke"), { topology: "single" })).toEqual({
      set: ["benchmark=smoke"],
      unset: [],
      notes: [],
    });
  });

  it("are all choices of the command line", () => {
    const options = { arms: "nocache, ttl-long", rows: "metadata/*/nocache, walk-warm", seed: "7" };
    expect(changeFor(asked("course", options), {})).toEqual({
      set: [
        "benchmark=course",
        "benchmarkArms=nocache,ttl-long",
        "benchmarkRows=metadata/*/nocache,walk-warm",
        "seed=7",
      ],
      unset: [],
      notes: [],
    });
  });

  it("name every row, or remove the setting", () => {
    const kept = { benchmarkRows: "metadata" };
    expect(changeFor(asked("course", { rows: "all" }), kept)).toMatchObject({
      set: ["benchmark=course", "benchmarkRows=*"],
      unset: [],
    });
    expect(changeFor(asked("course", { rows: "none" }), kept)).toEqual({
      set: ["benchmark=course"],
      unset: ["benchmarkRows"],
      notes: [],
    });
  });

  it("keep arms and rows of an earlier run that this one can use", () => {
    const kept = { benchmarkArms: "ttl-long", benchmarkRows: ["metadata/*/ttl-long"], disgrafs: true };
    expect(changeFor(asked("course"), kept)).toEqual({ set: ["benchmark=course"], unset: [], notes: [] });
    expect(changeFor(asked("course"), { disgrafs: true, benchmarkRows: "tagging" }).unset).toEqual([]);
  });

  it.each([
    [
      "smoke",
      {},
      { benchmarkRows: "metadata/statMiss/nocache" },
      ["benchmarkRows"],
      ["benchmarkRows was metadata/statMiss/nocache; smoke takes no rows, so the setting is removed"],
    ],
    [
      "lookups",
      {},
      { benchmarkArms: "ttl,nocache" },
      ["benchmarkArms"],
      ["benchmarkArms was ttl,nocache; lookups cannot measure nocache, so the setting is removed"],
    ],
    [
      "course",
      { arms: "ttl-long" },
      { benchmarkRows: "metadata/statMiss/nocache" },
      ["benchmarkRows"],
      [
        "benchmarkRows was metadata/statMiss/nocache; course with the arms ttl-long has not all of these rows, so the setting is removed",
      ],
    ],
    [
      "course",
      {},
      { benchmarkArms: ["chain-wq"], benchmarkRows: "lookup" },
      ["benchmarkArms", "benchmarkRows"],
      [
        "benchmarkArms was chain-wq; course cannot measure chain-wq, so the setting is removed",
        "benchmarkRows was lookup; course with the arms ttl,nocache has not all of these rows, so the setting is removed",
      ],
    ],
    [
      "course",
      {},
      { benchmarkRows: "tagging" },
      ["benchmarkRows"],
      [expect.stringMatching(/^benchmarkRows was tagging/)],
    ],
  ] as const)(
    "lose exactly what %s cannot use, and say so: %j, %j",
    (profile, options, kept, unset, notes) => {
      expect(changeFor(asked(profile, options), kept)).toMatchObject({ unset, notes });
    },
  );

  it("are refused if the stack's run has not the rows asked for", () => {
    expect(() => changeFor(asked("course", { rows: "metadata/*/ttl-long" }), {})).toThrow(
      '--rows: no row of the verdict table is called "metadata/*/ttl-long": the run has no arm "ttl-long"; the arms: nocache',
    );
    expect(() => changeFor(asked("course", { rows: "tagging" }), {})).toThrow('no workload "tagging"');
    expect(changeFor(asked("course", { rows: "tagging" }), { disgrafs: true }).set).toContain(
      "benchmarkRows=tagging",
    );
  });

  it("leave invalid settings to the check of all settings", () => {
    expect(changeFor(asked("course"), { benchmarkArms: "nocahe" })).toEqual({
      set: ["benchmark=course"],
      unset: [],
      notes: [],
    });
  });
});
