import { readFileSync } from "node:fs";
import fc from "fast-check";
import { armExtensions, armNames, baselineArm, defaultArms, repeatLabel, type ArmName } from "./arms.ts";
import { buildBlocks, buildPlan, planSchema, pointCount, type PlanSettings } from "./plan.ts";
import { examplePlan, exampleSettings as settings } from "./testdata/examplePlan.ts";
import { profileNames, profiles, workloadNames, workloads, workloadsOf } from "./workloads.ts";

describe("buildBlocks", () => {
  const anyProfile = fc.constantFrom(...profileNames);

  it("should hold every arm once and the baseline twice in each block that counts, whatever the seed", () => {
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

  it("should give the same order for the same seed, and every order over many seeds", () => {
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
});

describe("buildPlan", () => {
  it("should give the same plan for the same settings, and a plan that its own schema reads back", () => {
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
  ])("should name another run when %s changes", (_, change) => {
    expect(buildPlan({ ...settings, ...change }).runId).not.toBe(buildPlan(settings).runId);
  });

  it("should keep the settings hash of a run that is repeated with another seed", () => {
    expect(buildPlan({ ...settings, seed: 8 }).settingsHash).toBe(buildPlan(settings).settingsHash);
  });

  it("should keep the baseline when other arms are chosen", () => {
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

  it("should give a run of more arms more time, and none less than its profile says", () => {
    const limit = (arms?: ArmName[]): number =>
      buildPlan({ ...settings, ...(arms && { arms }) }).limitSeconds;
    expect(limit()).toBe(profiles.smoke.limitMinutes * 60);
    expect(limit(["ttl"])).toBe(profiles.smoke.limitMinutes * 60);
    expect(limit(["nocache", "ttl-long", "client-cache", "fuse-latency", "redis-sockmap"])).toBe(
      (profiles.smoke.limitMinutes * 60 * 7) / 3,
    );
  });

  it("should ask for a count from an arm with an extension, and from no other", () => {
    const plan = buildPlan({ ...settings, arms: armNames });
    expect(plan.arms.filter(({ counted }) => counted).map(({ name }) => name)).toEqual([
      "fuse-notify",
      "fuse-ttl",
      "fuse-lease",
      "fuse-off",
      "fuse-latency",
      "packet-dma",
      "redis-sockmap",
    ]);
    expect(plan.arms.find(({ name }) => name === "packet-dma")?.script).toEqual(["unit.sh", "packet-dma"]);
    expect(armExtensions(["ttl", "client-cache", "packet-dma"])).toEqual(["packet-dma"]);
  });

  it("should be what the runner's own tests read; else run: node benchmarks/testdata/makePlan.ts", () => {
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
  it("should have a control in every profile, and every workload in the paper", () => {
    for (const profile of profileNames) {
      expect(workloadsOf(profile).filter((name) => "control" in workloads[name])).toEqual(["control"]);
    }
    expect(workloadsOf("paper")).toEqual(workloadNames);
  });

  it("should have every kind of workload in smoke, which compares some and runs the others once", () => {
    const kinds = (names: readonly (keyof typeof workloads)[]): string[] => [
      ...new Set(names.map((name) => workloads[name].kind)),
    ];
    expect(kinds(workloadsOf("smoke")).sort()).toEqual(kinds(workloadNames).sort());
    const { workloads: planned } = buildPlan(settings);
    expect(planned.filter(({ once }) => !once).map(({ name }) => name)).toEqual(["metadata", "control"]);
  });

  it("should read and write in course and paper: sequential, random and mixed, with and without O_DIRECT", () => {
    for (const profile of ["course", "paper"] as const) {
      const jobs = buildPlan({ ...settings, profile }).workloads.filter(({ kind }) => kind === "fio");
      expect(
        jobs.map(({ parameters }) => `${String(parameters["rw"])} ${String(parameters["direct"])}`).sort(),
      ).toEqual(
        ["read", "write", "randread", "randwrite", "randrw"]
          .flatMap((rw) => [`${rw} false`, `${rw} true`])
          .sort(),
      );
    }
  });

  it("should leave at least three of course's ten minutes to mounts and starts", () => {
    const plan = buildPlan({ ...settings, profile: "course" });
    // As window_seconds in the runner has it; what a warm workload does before its window takes as long again.
    const phases: Record<string, number> = { metadata: 6, walk: 2, application: 2, redis: 2 };
    const windows = plan.workloads.map(({ kind, caches, parameters }) => {
      const each = Number(parameters["phaseSeconds"] ?? parameters["seconds"]) * (phases[kind] ?? 1);
      return each * (caches === "warm" && kind !== "fio" ? 2 : 1);
    });
    const turns = plan.blocks.reduce((sum, { slots }) => sum + slots.length, 0);
    const perTurn = windows.reduce((sum, each) => sum + each, 0);
    expect((turns * perTurn) / 60).toBeLessThan(profiles.course.expectedMinutes - 3 + 0.2);
  });

  it("should have at least ten blocks outside of smoke", () => {
    for (const profile of profileNames.filter((name) => name !== "smoke")) {
      expect(profiles[profile].blocks).toBeGreaterThanOrEqual(10);
    }
  });
});
