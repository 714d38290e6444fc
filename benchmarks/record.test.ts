import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readRaw } from "./raw.ts";
import { stealPercent } from "./record.ts";
import type { Point } from "./run.ts";
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

type Change = (point: InventedPoint, client: Record<string, unknown>) => void;

/** Reads a run in which the points of one arm's workload in one block are changed. */
function pointsAfter(
  change: Change,
  options: Invented & { workload?: string; label?: string } = {},
): Point[] {
  const { workload = "metadata", label = "nocache" } = options;
  const point = (record: InventedPoint): InventedPoint => {
    if (record.block === 2 && record.label === label && record.workload === workload)
      change(record, record.clients["node2"]!);
    return record;
  };
  return readRaw(join(invent({ ...options, point }), "raw")).points.map((entry) => entry.point);
}

/** The reason why the changed point is INVALID, or null. No other point may be INVALID. */
function reasonAfter(
  change: Change,
  options: Invented & { workload?: string; label?: string } = {},
): string | null {
  const invalid = pointsAfter(change, options).filter((point) => point.invalid !== null);
  expect(invalid.length).toBeLessThanOrEqual(1);
  return invalid[0]?.invalid ?? null;
}

/** Sets a field of a client's record, by its path. */
function set(client: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop()!;
  const parent = keys.reduce((object, key) => object[key] as Record<string, unknown>, client);
  // JSON leaves out undefined values.
  parent[last] = value;
}

/** An arm with an extension, with otherwise valid points. */
const counted = { arms: ["ttl", "fuse-latency"], label: "fuse-latency" } as const;

describe("a record", () => {
  it("should be accepted if nothing is wrong with it", () => {
    expect(reasonAfter(() => undefined)).toBeNull();
    expect(reasonAfter(() => undefined, counted)).toBeNull();
    const own: Change = (_, client) => set(client, "proof.after.extensions", ["fuse-latency"]);
    expect(reasonAfter(own, counted)).toBeNull();
  });

  it.each<[string, Change, string]>([
    [
      "of an arm that the plan does not have at its place",
      (point) => (point.arm = "ttl"),
      "recorded as nocache in arm ttl, where the plan has nocache in arm nocache",
    ],
    ["of a block that the plan does not have", (point) => (point.block = 9), "the plan has no block 9"],
    [
      "of a workload that runs only in the warm-up",
      (point) => (point.workload = "redis"),
      "redis runs only in the warm-up",
    ],
    [
      "of a client that gave no counters",
      (_, client) => set(client, "counters", undefined),
      "node2: recorded no counters",
    ],
    [
      "of a client on which a foreign extension was loaded",
      (_, client) => set(client, "proof.after.extensions", ["fuse"]),
      "node2: extensions that are not part of arm nocache were loaded: fuse",
    ],
    [
      "of a client that gave no proof of its mount",
      (_, client) => set(client, "proof", undefined),
      "node2: recorded no proof of its mount",
    ],
    [
      "of a mount that was in another arm's state",
      (_, client) => set(client, "proof.after.mount.attr", 1),
      "node2: the mount was not in arm nocache: attr was 1 s, not 0 s",
    ],
    [
      "of a machine that can tell stolen time and does not",
      (_, client) => set(client, "counters.after.stealTicks", null),
      "node2: recorded no CPU steal, which its machine has",
    ],
    [
      "of a workload that did not use the mount",
      (_, client) => set(client, "counters.after.requests", { lookup: 100, open: 3 }),
      "node2: no request of the workload reached JuiceFS: it did not use the mount",
    ],
    [
      "of a mount that was only asked for its free space, as monitoring does",
      (_, client) => set(client, "counters.after.requests", { lookup: 100, open: 3, statfs: 40 }),
      "node2: no request of the workload reached JuiceFS: it did not use the mount",
    ],
    [
      "without a count of requests",
      (_, client) => set(client, "counters.after.requests", null),
      "node2: recorded no count of FUSE requests",
    ],
    [
      "that does not say when a client began",
      (_, client) => set(client, "late", undefined),
      "node2: did not record when it began",
    ],
  ])("should be refused: %s", (_, change, reason) => {
    expect(reasonAfter(change)).toContain(reason);
  });

  it("should be refused if its arm's extension did not run, even if the runner calls it valid", () => {
    const same: Change = (_, client) => set(client, "proof.after.script.count", 5);
    expect(reasonAfter(same, counted)).toBe(
      "node2: arm fuse-latency was enabled, but its run count did not move",
    );
  });

  it.each([
    ["metadata", { arms: ["ttl", "client-cache"], label: "client-cache" }],
    ["lookup", { profile: "lookups", arms: ["ttl", "io-uring"], label: "io-uring" }],
  ] as const)(
    "should be refused without its arm's proof, even if that arm counts nothing: %s",
    (workload, options) => {
      expect(reasonAfter(() => undefined, { ...options, workload })).toBeNull();
      for (const when of ["before", "after"]) {
        const without: Change = (_, client) => set(client, `proof.${when}.script`, undefined);
        expect(reasonAfter(without, { ...options, workload })).toBe(
          `node2: recorded no proof of arm ${options.label}`,
        );
      }
    },
  );

  it("should be refused if its arm answers reads, and answered none of a workload that reads cached data", () => {
    // Each block has another change, in one run: a course's points take long to invent.
    const changes: [workload: string, arm: string, key: string, value: unknown][] = [
      ["random-read-direct", "fuse-read", "count", 13],
      ["random-read-direct", "fuse-read", "reads", 5],
      ["random-read-direct", "fuse-read", "readBytes", 4096 * 5],
      ["random-read-direct", "fuse-read", "reads", undefined],
      // A workload that reads nothing, and an arm that answers no reads.
      ["metadata", "fuse-read", "reads", 5],
      ["random-read-direct", "fuse-lease", "reads", 5],
      // As many as were read to keep the data warm.
      ["random-read-direct", "fuse-read", "warmBytes", 7 * 4096],
      ["random-read-direct", "fuse-read", "warmBytes", 6 * 4096],
    ];
    const point = (record: InventedPoint): InventedPoint | undefined => {
      const [workload, arm, key, value] = changes[record.block - 1] ?? [];
      if (workload !== record.workload || arm !== record.arm) return undefined;
      set(record.clients["node2"]!, key === "warmBytes" ? key : `proof.after.script.${key}`, value);
      return record;
    };
    const folder = invent({ profile: "course", arms: ["ttl", "fuse-read", "fuse-lease"], point });
    const reason = "node2: arm fuse-read was enabled, but no read() was answered from the block cache";
    expect(readRaw(join(folder, "raw")).points.map((entry) => entry.point.invalid)).toEqual([
      null,
      reason,
      reason,
      reason,
      null,
      null,
      reason,
      null,
    ]);
  });

  it("should be refused if the arm without the volume used it, or does not say what it used", () => {
    const change = (disk: unknown): string | null => {
      const point = (record: InventedPoint): InventedPoint | undefined => {
        if (record.arm !== "local" || record.block !== 1) return undefined;
        set(record.clients["node2"]!, "proof.after.disk", disk);
        return record.workload === "random-read-blocks" ? record : undefined;
      };
      const folder = invent({ profile: "reads", arms: ["ttl", "local"], point });
      const points = readRaw(join(folder, "raw")).points.map((entry) => entry.point);
      expect(points.map(({ workload, requests }) => [workload, requests])).toEqual([
        ["random-read-blocks", null],
      ]);
      return points[0]!.invalid;
    };
    expect(change("ext4")).toBeNull();
    expect(change(undefined)).toBe("node2: recorded no proof of its disk");
    expect(change("fuse.juicefs")).toBe(
      "node2: the files were not on the node's own disk, but on ext4, then fuse.juicefs",
    );
  });

  it("should record how many reads its arm answered, and their bytes", () => {
    const points = pointsAfter(() => undefined, {
      arms: ["ttl", "fuse-read", "fuse-lease"],
      label: "fuse-read",
    });
    const of = (name: string): Point =>
      points.find(({ arm, workload }) => arm === name && workload === "metadata")!;
    expect(of("fuse-read")).toMatchObject({ armReads: 14, armReadBytes: 14 * 4096 });
    expect(of("fuse-lease")).toMatchObject({ armReads: null, armReadBytes: null });
  });

  it("should compare a late start with the plan's window, not with the runner's or the actual one", () => {
    const late: Change = (point, client) => {
      Object.assign(client, { late: 4.9, seconds: 30 });
      point.plannedSeconds = 30;
    };
    expect(reasonAfter(late)).toBe(
      "node2 began 4.9 s after the first, in a window of 0.8 s: the clients did not run together",
    );
  });

  it("should be refused if it was not warmed right before, or if that is unknown", () => {
    const walk = { workload: "walk-warm", profile: "attributes" } as const;
    expect(reasonAfter(() => undefined, walk)).toBeNull();
    expect(reasonAfter((_, client) => set(client, "gap", 0.9), walk)).toBe(
      "node2 was warmed 0.9 s before the window, more than 0.5 s",
    );
    // The invented runs have no output of the profile's jobs that write.
    const readAfter = (gap: number): string | null =>
      pointsAfter((_, client) => set(client, "gap", gap), {
        workload: "random-read",
        profile: "course",
      }).find(
        ({ block, label, workload }) => block === 2 && label === "nocache" && workload === "random-read",
      )!.invalid;
    expect(readAfter(4.9)).toBeNull();
    expect(readAfter(5.1)).toBe("node2 was warmed 5.1 s before the window, more than 5 s");
    expect(reasonAfter((_, client) => set(client, "gap", undefined), walk)).toBe(
      "node2: did not record how long before the window it was warmed",
    );
  });

  it("should not need stolen time from an emulated machine, which does not count it", () => {
    const none: Change = (_, client) => set(client, "counters.after.stealTicks", null);
    expect(reasonAfter(none, { virtualization: "qemu" })).toBeNull();
    expect(pointsAfter(none, { virtualization: "qemu" }).every((point) => point.stealPercent === null)).toBe(
      true,
    );
  });

  it("should lack a figure that has too few operations for a rate, and keep the others", () => {
    const rate = (figure: string): number => (figure === "rename" ? 4 : 1000);
    const points = readRaw(join(invent({ rate }), "raw")).points.map((entry) => entry.point);
    const { invalid, figures, tooLittle } = points.find(({ workload }) => workload === "metadata")!;
    expect(invalid).toBeNull();
    expect(tooLittle).toEqual({ rename: "rename: 8 operations, fewer than 10: too little for a figure" });
    expect(figures).not.toHaveProperty("rename");
    expect(figures).toHaveProperty("statHit");
  });
});

describe("the node of Redis and of the object store", () => {
  const address = "10.77.0.10";
  const lab = { cacheDroppers: [address] };

  it("should be part of the record, with its load and stolen time", () => {
    const change: Change = (point) => {
      set(point.clients["node1"]!, `counters.after.neighbours`, {
        [address]: { cpuTicks: 500, stealTicks: 4, load: 1.25 },
      });
    };
    const found = pointsAfter(change, lab).filter(({ neighbours }) => neighbours.load === 1.25);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ invalid: null, neighbours: { stealPercent: 1, load: 1.25 } });
  });

  it.each([
    [
      { [address]: { cpuTicks: 500, stealTicks: 40, load: 1 } },
      `${address}: CPU steal 10.0 %, more than 5 %`,
    ],
    [
      { [address]: { cpuTicks: 500, stealTicks: null, load: 1 } },
      `${address}: recorded no CPU steal, which its machine has`,
    ],
    [{}, `${address}: recorded no counters`],
  ])("should make a point INVALID if it was busy: %j", (neighbours, reason) => {
    const change: Change = (point) => set(point.clients["node1"]!, "counters.after.neighbours", neighbours);
    expect(reasonAfter(change, lab)).toBe(reason);
  });
});

describe("a block that a node of Redis or of the object store rebooted in", () => {
  const address = "10.77.0.10";
  const lab = { cacheDroppers: [address], label: "nocache" };
  const reasons = (when: "before" | "after", bootId: string | undefined): (string | null)[] => {
    const change: Change = (point) => {
      const look = { cpuTicks: when === "before" ? 100 : 500, stealTicks: 0, load: 1, bootId };
      set(point.clients["node1"]!, `counters.${when}.neighbours`, { [address]: look });
    };
    return pointsAfter(change, lab).flatMap(({ block, invalid }) => (block === 2 ? [invalid] : []));
  };

  it.each(["before", "after"] as const)("should be INVALID: %s a window", (when) => {
    const invalid = reasons(when, "another boot");
    expect(invalid.length).toBeGreaterThan(1);
    expect(new Set(invalid)).toEqual(new Set([`the block was measured in more than one boot of ${address}`]));
  });

  it("should be accepted from older records, which do not name the boot", () => {
    expect(new Set(reasons("after", undefined))).toEqual(new Set([null]));
  });
});

describe("stealPercent", () => {
  const none = { cpuTicks: 0, idleTicks: 0, stealTicks: 0, cpus: 8 };
  const stolen = (after: Partial<typeof none>): number | undefined =>
    stealPercent({ before: none, after: { ...none, ...after } }, undefined);

  it("should not be diluted by idle CPUs", () => {
    expect(stolen({ cpuTicks: 800, idleTicks: 700, stealTicks: 39 })).toBe(39);
    expect(stolen({ cpuTicks: 800, idleTicks: 0, stealTicks: 40 })).toBe(5);
  });

  it("should count a tick of a machine with nothing to do as a part of one CPU's time", () => {
    expect(stolen({ cpuTicks: 800, idleTicks: 797, stealTicks: 1 })).toBe(1);
  });
});

describe("records of one run", () => {
  it("should be refused if there are two for one point", () => {
    const folder = invent();
    const points = join(folder, "raw/points");
    const name = readdirSync(points).find((entry) => /^002-.*-nocache-metadata$/.test(entry))!;
    cpSync(join(points, name), join(points, `${name}-copy`), { recursive: true });
    const invalid = readRaw(join(folder, "raw")).points.filter(({ point }) => point.invalid !== null);
    expect(invalid.map(({ point }) => point.invalid)).toEqual(
      Array.from(
        { length: 2 },
        () => expect.stringMatching(/^2 records of one point \(block 2, slot \d\)$/) as string,
      ),
    );
  });

  it("should be refused if their block spans two boots of a client", () => {
    const points = pointsAfter((point) => (point.boots["node2"] = "another boot"));
    const invalid = points.filter(({ invalid: reason }) => reason !== null);
    expect(new Set(invalid.map(({ invalid: reason }) => reason))).toEqual(
      new Set(["the block was measured in more than one boot of node2"]),
    );
    expect(points.filter(({ block }) => block === 2)).toEqual(invalid);
  });

  it.each([
    [{ node1: "11111111-2222-3333-4444-555555555555", node2: "another" }, "node2: recorded in boot another"],
    [{}, "node1: recorded in boot unknown"],
  ])("should be refused if the run has no facts of their boot: %j", (boots, reason) => {
    const folder = invent({ point: (record) => ({ ...record, boots }) });
    const invalid = readRaw(join(folder, "raw")).points.map(({ point }) => point.invalid);
    expect(new Set(invalid)).toEqual(new Set([`${reason}, of which the run has no facts`]));
  });

  it("should be refused if half of their block is from another day", () => {
    const point = (record: InventedPoint): InventedPoint => {
      const moved = record.block === 2 && record.slot > 0;
      const later = (time: string): string =>
        new Date(Date.parse(time) + (moved ? 86_400_000 : 0)).toISOString();
      return { ...record, started: later(record.started), ended: later(record.ended) };
    };
    const invalid = readRaw(join(invent({ point }), "raw")).points.filter(
      (entry) => entry.point.invalid !== null,
    );
    expect(new Set(invalid.map((entry) => entry.point.block))).toEqual(new Set([2]));
    expect(invalid[0]!.point.invalid).toMatch(/^the block was interrupted for 1\d{3} minutes$/);
  });
});
