import { readFileSync } from "node:fs";
import fc from "fast-check";
import { armExtensions, armNames, baselineArm, defaultArms, repeatLabel, type ArmName } from "./arms.ts";
import { buildBlocks, buildPlan, fits, planSchema, pointCount, type PlanSettings } from "./plan.ts";
import { tableRows } from "./rows.ts";
import { examplePlan, exampleSettings as settings } from "./testdata/examplePlan.ts";
import { profileNames, profiles, workloadNames, workloads, workloadsOf, type Profile } from "./workloads.ts";
import { fewestOperations } from "./parsers/measurement.ts";

describe("buildBlocks", () => {
  const anyProfile = fc.constantFrom(...profileNames);

  it("should have each arm once and the baseline twice in each measured block, for any seed", () => {
    fc.assert(
      fc.property(anyProfile, fc.nat(), (profile, seed) => {
        for (const { slots, warmUp } of buildBlocks(profile, armNames, seed).slice(1)) {
          expect(warmUp).toBe(false);
          expect(slots.map(({ label }) => label).sort()).toEqual([...armNames, repeatLabel].sort());
          expect(slots.filter(({ arm }) => arm === baselineArm)).toHaveLength(2);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("should begin with one warm-up block", () => {
    expect(buildBlocks("smoke", armNames, 1)[0]).toEqual({
      index: 0,
      warmUp: true,
      slots: [{ label: baselineArm, arm: baselineArm }],
    });
    expect(buildBlocks("paper", armNames, 1)[0]!.slots).toHaveLength(armNames.length + 1);
  });

  it("should give the same order for the same seed, and all orders over many seeds", () => {
    expect(buildBlocks("course", armNames, 3)).toEqual(buildBlocks("course", armNames, 3));
    const orders = new Set(
      Array.from({ length: 40 }, (_, seed) =>
        buildBlocks("course", defaultArms, seed)[1]!
          .slots.map(({ label }) => label)
          .join(),
      ),
    );
    expect(orders.size).toBe(6);
  });

  it("should put arms and baselines in the middle of a block on average after ten blocks", () => {
    const blocks = buildBlocks("course", armNames, 9).slice(1);
    for (const label of [...armNames, repeatLabel]) {
      const places = blocks.map(({ slots }) => slots.findIndex((slot) => slot.label === label));
      expect(places.reduce((sum, place) => sum + place, 0) / blocks.length).toBe(armNames.length / 2);
    }
  });
});

describe("buildPlan", () => {
  it("should give the same plan for the same settings, and one that its own schema accepts", () => {
    const plan = buildPlan(settings);
    expect(buildPlan(settings)).toEqual(plan);
    expect(planSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    expect(plan.runId).toMatch(/^smoke-[0-9a-f]{12}$/);
    const compared = plan.workloads.filter(({ once }) => !once);
    expect(pointCount(plan)).toBe(plan.workloads.length + profiles.smoke.blocks * 3 * compared.length);
  });

  it.each<[string, Partial<PlanSettings>]>([
    ["the seed", { seed: 8 }],
    ["the profile", { profile: "course" }],
    ["a setting of the lab", { settings: { topology: "single" } }],
    ["a machine that was made anew", { machineIds: ["a", "b", "d"] }],
    ["the clients", { clients: ["node1"] }],
  ])("should give the run another name if %s changes", (_, change) => {
    expect(buildPlan({ ...settings, ...change }).runId).not.toBe(buildPlan(settings).runId);
  });

  it("should keep the settings hash if a run is repeated with another seed", () => {
    expect(buildPlan({ ...settings, seed: 8 }).settingsHash).toBe(buildPlan(settings).settingsHash);
  });

  it("should keep the baseline if other arms are chosen", () => {
    expect(buildPlan({ ...settings, arms: ["nocache"] }).arms.map(({ name }) => name)).toEqual([
      "ttl",
      "nocache",
    ]);
    expect(buildPlan({ ...settings, arms: ["packet-dma"] }).arms.map(({ name }) => name)).toEqual([
      "ttl",
      "packet-dma",
    ]);
    expect(buildPlan({ ...settings, arms: ["ttl"] }).arms.map(({ name }) => name)).toEqual(["ttl"]);
  });

  it("should give a run with more arms more time, and no run less than its profile's", () => {
    const limit = (arms?: ArmName[]): number =>
      buildPlan({ ...settings, ...(arms && { arms }) }).limitSeconds;
    expect(limit()).toBe(profiles.smoke.limitMinutes * 60);
    expect(limit(["ttl"])).toBe(profiles.smoke.limitMinutes * 60);
    expect(limit(["nocache", "ttl-long", "client-cache", "fuse-latency", "redis-sockmap"])).toBe(
      (profiles.smoke.limitMinutes * 60 * 7) / 3,
    );
  });

  it("should refuse an arm that does not affect the profile's workloads, and name those that do", () => {
    expect(() => buildPlan({ ...settings, profile: "lookups", arms: ["nocache", "chain-wq"] })).toThrow(
      "the profile lookups cannot measure nocache: its arms are ttl, chain-wq, chain-poll, chain-irq, dm-pread",
    );
    expect(() => buildPlan({ ...settings, arms: ["chain-irq"] })).toThrow("smoke cannot measure chain-irq");
    expect(buildPlan({ ...settings, profile: "lookups" }).arms.map(({ name }) => name)).toEqual([
      "ttl",
      "chain-wq",
      "chain-poll",
      "io-uring-poll",
    ]);
  });

  it("should compare reads with a lease without them, and with the node's own disk, which no other profile can", () => {
    const plan = buildPlan({ ...settings, profile: "reads" });
    expect(plan.arms.map(({ name }) => name)).toEqual([
      ...["ttl", "nocache", "fuse-lease", "fuse-lease-keep", "fuse-read", "fuse-lease-read"],
      ...["fuse-lease-keep-read", "local"],
    ]);
    expect(plan.arms.filter(({ local }) => local).map(({ name }) => name)).toEqual(["local"]);
    expect(plan.arms.filter(({ reads }) => reads).map(({ name }) => name)).toEqual([
      "fuse-read",
      "fuse-lease-read",
      "fuse-lease-keep-read",
    ]);
    expect(buildPlan({ ...settings, profile: "reads", arms: ["ttl", "fuse-read"] }).arms).toHaveLength(2);
    for (const profile of profileNames.filter((name) => name !== "reads"))
      expect(() => buildPlan({ ...settings, profile, arms: ["ttl", "local"] })).toThrow(
        `the profile ${profile} cannot measure local`,
      );
  });

  it("should require answered reads only where the data is cached and read by calls that the arms answer", () => {
    const { workloads: planned } = buildPlan({ ...settings, profile: "reads" });
    expect(planned.filter(({ reads }) => reads).map(({ name }) => name)).toEqual([
      ...["random-read-direct", "random-read-blocks", "random-read-disk", "random-read-slow-disk"],
      ...["sequential-read-blocks", "cat"],
    ]);
  });

  it("should have one look at a run without named rows, and looks up to 30 blocks at one with them", () => {
    const once = buildPlan({ ...settings, profile: "course" });
    expect(once).toMatchObject({ looks: [10], rows: [], marginPercent: 5 });
    expect(once.blocks).toHaveLength(11);
    const rows = ["metadata/statHit", "control/*/nocache"];
    const until = buildPlan({ ...settings, profile: "course", rows, marginPercent: 2 });
    expect(until).toMatchObject({ looks: [10, 15, 20, 30], marginPercent: 2 });
    expect(until.rows).toContain("metadata/statHit/nocache");
    expect(until.rows).not.toContain("metadata/openHit/nocache");
    expect(until.blocks).toHaveLength(31);
    expect(until.limitSeconds).toBe(3 * once.limitSeconds);
    expect(until.runId).not.toBe(once.runId);
  });

  it("should refuse rows that are not in the table, and rows for a profile without verdicts", () => {
    expect(() => buildPlan({ ...settings, profile: "course", rows: ["metadata/statHit/ttl-long"] })).toThrow(
      'no row of the verdict table is called "metadata/statHit/ttl-long": the run has no arm "ttl-long"; the arms: nocache',
    );
    expect(() => buildPlan({ ...settings, rows: ["metadata"] })).toThrow(
      "the profile smoke gives no verdicts",
    );
  });

  it("should require a run count only from an arm with an extension", () => {
    const of = (profile: Profile): ArmName[] => armNames.filter((name) => fits(name, profile));
    const plan = buildPlan({ ...settings, arms: of("smoke") });
    const lookups = buildPlan({ ...settings, profile: "lookups", arms: of("lookups") });
    const counted = (own: typeof plan): string[] =>
      own.arms.flatMap((arm) => (arm.counted ? [arm.name] : []));
    expect(counted(lookups)).toEqual(["chain-wq", "chain-poll", "chain-irq", "dm-pread"]);
    expect(counted(plan)).toEqual([
      "fuse-notify",
      "fuse-ttl",
      "fuse-lease",
      "fuse-lease-keep",
      "fuse-read",
      "fuse-lease-read",
      "fuse-lease-keep-read",
      "fuse-off",
      "fuse-latency",
      "packet-dma",
      "redis-sockmap",
    ]);
    expect(plan.arms.find(({ name }) => name === "packet-dma")?.script).toEqual(["unit.sh", "packet-dma"]);
    expect(armExtensions(["ttl", "client-cache", "packet-dma"])).toEqual(["packet-dma"]);
  });

  it("should equal the plan of the runner's tests; otherwise, run: node benchmarks/testdata/makePlan.ts", () => {
    const file = new URL("./testdata/plan.txt", import.meta.url);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(examplePlan());
  });

  it("should refuse a variable that would break the environment file", () => {
    const plan = buildPlan(settings);
    const spoilt = { ...plan, arms: [{ ...plan.arms[0]!, environment: { A: 'x"\nB=1' } }] };
    expect(planSchema.safeParse(spoilt).success).toBe(false);
  });
});

describe("the workload table", () => {
  it("should have a control in every profile, and every workload of the volume in the profile paper", () => {
    for (const profile of profileNames) {
      expect(workloadsOf(profile, true).filter((name) => "control" in workloads[name])).toEqual(["control"]);
    }
    expect(workloadsOf("paper", true)).toEqual(workloadNames.filter((name) => name !== "lookup"));
    expect(workloadsOf("lookups", true)).toEqual(["lookup", "control"]);
    expect(workloadsOf("tagging", true)).toEqual(["tagging", "control"]);
  });

  it("should have the tagging workload only with DisGraFS", () => {
    for (const profile of ["smoke", "tagging", "course", "paper"] as const) {
      const names = (disgrafs?: boolean): string[] =>
        buildPlan({ ...settings, profile, ...(disgrafs === undefined ? {} : { disgrafs }) }).workloads.map(
          ({ name }) => name,
        );
      expect(names()).toEqual(names(true).filter((name) => name !== "tagging"));
      expect(names(true)).toContain("tagging");
    }
    expect(tableRows("course", ["nocache"], false)).not.toContain("tagging/tagged/nocache");
    expect(tableRows("course", ["nocache"], true)).toContain("tagging/tagged/nocache");
  });

  it("should have all kinds of workloads of the volume in smoke, which compares some and runs the others once", () => {
    const kinds = (names: readonly (keyof typeof workloads)[]): string[] => [
      ...new Set(names.map((name) => workloads[name].kind)),
    ];
    // A compile and `cat` need more files than smoke has time for: the profile reads has them.
    const large = ["compile", "cat"];
    expect([...kinds(workloadsOf("smoke", true)), ...large].sort()).toEqual(
      kinds(workloadsOf("paper", true)).sort(),
    );
    expect(kinds(workloadsOf("reads", true))).toEqual(expect.arrayContaining(large));
    const { workloads: planned } = buildPlan(settings);
    expect(planned.filter(({ once }) => !once).map(({ name }) => name)).toEqual(["metadata", "control"]);
  });

  it("should read and write in course and paper: sequential, random and mixed, with and without O_DIRECT", () => {
    for (const profile of ["course", "paper"] as const) {
      // Those with `memory` are variants for the block cache.
      const jobs = buildPlan({ ...settings, profile }).workloads.filter(
        ({ kind, parameters }) => kind === "fio" && !("memory" in parameters),
      );
      expect(jobs.filter(({ parameters }) => !(Number(parameters["seconds"]) > 0))).toEqual([]);
      expect(
        jobs.map(({ parameters }) => `${String(parameters["rw"])} ${String(parameters["direct"])}`).sort(),
      ).toEqual(
        ["read", "write", "randread", "randwrite", "randrw"]
          .flatMap((rw) => [`${rw} false`, `${rw} true`])
          .sort(),
      );
    }
  });

  it("should end a window after one pass if a second would find the blocks on the node, or in memory", () => {
    const passes = (profile: "course" | "reads"): string[] =>
      buildPlan({ ...settings, profile })
        .workloads.filter(({ onePass }) => onePass)
        .map(({ name }) => name);
    expect(passes("course")).toEqual(["sequential-read", "sequential-read-direct"]);
    expect(passes("reads")).toEqual(["sequential-read", "random-read-disk", "random-read-slow-disk"]);
  });

  it("should plan a phase for each figure", () => {
    const { workloads } = buildPlan({ ...settings, profile: "attributes" });
    const seconds = Object.fromEntries(workloads.map(({ name, seconds: planned }) => [name, planned]));
    expect(seconds["metadata"]).toBeCloseTo(8 * 0.3);
    expect(seconds["control"]).toBeCloseTo(3 * 0.1);
    expect(seconds).toMatchObject({ "walk-warm": 4, "tagger-cold": 1, application: 2 });
  });

  it("should leave at least three of the twelve minutes of course for mounts and starts", () => {
    const plan = buildPlan({ ...settings, profile: "course" });
    // With the wait until entries have expired (1.1 s).
    const windows = plan.workloads.map(({ kind, place, parameters, seconds = NaN }) => {
      if (kind === "metadata" && place === "mount")
        return seconds + Math.max(0, 1.1 - 3 * Number(parameters["phaseSeconds"]));
      return kind === "walk" ? seconds + 1.1 : seconds;
    });
    const turns = plan.blocks.reduce((sum, { slots }) => sum + slots.length, 0);
    const perTurn = windows.reduce((sum, each) => sum + each, 0);
    expect((turns * perTurn) / 60).toBeLessThan(profiles.course.expectedMinutes - 3);
  });

  it("should give each compared file system benchmark enough work for a figure", () => {
    const benches = profileNames.flatMap((profile) =>
      buildPlan({ ...settings, profile }).workloads.filter(
        ({ kind, once }) => kind === "juicefs-bench" && !once,
      ),
    );
    expect(benches.length).toBeGreaterThan(0);
    for (const { parameters } of benches) {
      expect(Number(parameters["smallFiles"]) * Number(parameters["threads"])).toBeGreaterThanOrEqual(
        fewestOperations,
      );
      expect(parameters["bigFileMiB"]).toBeGreaterThanOrEqual(fewestOperations);
    }
  });

  it("should have at least ten blocks outside of smoke", () => {
    for (const profile of profileNames.filter((name) => name !== "smoke")) {
      expect(profiles[profile].blocks).toBeGreaterThanOrEqual(10);
    }
  });
});
