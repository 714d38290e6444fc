/**
 * The table of workloads: what each measures, the unit, whether higher is better, and the parameters in each profile. A workload
 * without an entry for a profile is not part of it. To add one, see docs/benchmarks.md.
 */

export const profileNames = [
  "smoke",
  "attributes",
  "lookups",
  "tagging",
  "reads",
  "course",
  "paper",
] as const;
export type Profile = (typeof profileNames)[number];

/** Sizes of a profile. Times are seconds of a timed window, not of a whole run. */
export interface ProfileFacts {
  readonly title: string;
  /** Number of counted blocks; each has every arm once and the baseline twice. */
  readonly blocks: number;
  /** Turns of the warm-up block, which is discarded: all, or only the baseline to save time. */
  readonly warmUp: "all" | "baseline";
  /** Duration of a run on real machines (in emulation for smoke), for the first estimate of the time left. */
  readonly expectedMinutes: number;
  /** Time limit of a run. */
  readonly limitMinutes: number;
  /** Only for labs with this component. */
  readonly needs?: "disgrafs";
}

export const profiles = {
  smoke: {
    title: "the whole pipeline in four minutes, in emulation: shows that it works; do not quote its results",
    blocks: 3,
    warmUp: "baseline",
    expectedMinutes: 4,
    limitMinutes: 20,
  },
  attributes: {
    title: "attributes and names only, small enough for many arms in emulation: for the FUSE extension",
    blocks: 10,
    warmUp: "baseline",
    expectedMinutes: 23,
    limitMinutes: 120,
  },
  lookups: {
    title: "lookups in an index on the clients' data disks: for storage chains",
    blocks: 10,
    warmUp: "baseline",
    expectedMinutes: 30,
    limitMinutes: 180,
  },
  tagging: {
    title: "files tagged by DisGraFS, and nothing else: many blocks, also in emulation",
    blocks: 10,
    warmUp: "baseline",
    expectedMinutes: 10,
    limitMinutes: 120,
    needs: "disgrafs",
  },
  reads: {
    title: "reads of data that the node has cached, and a compile: for answering reads in the kernel",
    blocks: 10,
    warmUp: "baseline",
    // Of three turns a block; the profile's own arms have eight.
    expectedMinutes: 40,
    limitMinutes: 200,
  },
  course: {
    title: "an estimated twelve minutes on real machines; hours in emulation",
    blocks: 10,
    warmUp: "all",
    expectedMinutes: 12,
    // Emulated machines took 3 h 20 min with two arms (docs/records/course.md).
    limitMinutes: 300,
  },
  paper: {
    title: "every workload but lookup, thirty blocks",
    blocks: 30,
    warmUp: "all",
    expectedMinutes: 180,
    limitMinutes: 1440,
  },
} as const satisfies Record<Profile, ProfileFacts>;

/** Parameters by kind of workload. Sizes are bytes, times seconds. */
export interface WorkloadKinds {
  /** fio with one job a client, on a file of its own: laid out before the run to be read, new in each turn to be written. */
  readonly fio: {
    readonly rw: "read" | "write" | "randread" | "randwrite" | "randrw";
    readonly blockSize: number;
    readonly fileSize: number;
    /** O_DIRECT: past the kernel's page cache, so that every request reaches the daemon. */
    readonly direct: boolean;
    readonly seconds: number;
    /** Default: read and write system calls. */
    readonly engine?: "mmap";
    /**
     * What a window of reads begins with in memory: the block files, but no page of the file itself; or neither, so that blocks are
     * read from the disk. Default: everything. fio drops the file's pages again after each pass; with neither, it makes one.
     */
    readonly memory?: "blocks" | "none";
    /** Limit of reads a second from the disk with the block files. */
    readonly diskReads?: number;
  };
  /** Single operations in a tree of the client's own, each for `phaseSeconds`; stat and open as a hit and as a miss. */
  readonly metadata: { readonly files: number; readonly directories: number; readonly phaseSeconds: number };
  /**
   * Walks of a tree: as `find` does (every entry listed and stat'ed) and as `git status` does (every known path), with
   * hits and misses as they come; and the known paths alone, as a hit and as a miss.
   */
  readonly walk: { readonly files: number; readonly directories: number; readonly phaseSeconds: number };
  /** A Python process that imports `modules` modules; files that are read and asked for again. Each for `phaseSeconds`. */
  readonly application: {
    readonly files: number;
    readonly directories: number;
    readonly modules: number;
    readonly phaseSeconds: number;
  };
  /**
   * What DisGraFS asks of the volume, without its computing: each file opened, asked for, read and asked for again, as a
   * tagger does; and a walk of its index, which lists every directory and stats every entry. Each for `phaseSeconds`.
   */
  readonly tagger: { readonly files: number; readonly directories: number; readonly phaseSeconds: number };
  /** `files` of DisGraFS's corpus written on each client at once, until all are tagged, in about `seconds`. */
  readonly tagging: { readonly files: number; readonly seconds: number };
  /**
   * `files` C files of a program, with `headers` headers in two folders, compiled one after the other: each source and its
   * headers stat'ed, as make does, then compiled by tcc to an object on the volume.
   */
  readonly compile: { readonly files: number; readonly headers: number; readonly seconds: number };
  /** `cat` of all files, again and again. Before each, memory is as in a fio workload. */
  readonly cat: {
    readonly files: number;
    readonly fileSize: number;
    readonly memory: "blocks" | "none";
    readonly seconds: number;
  };
  /** `juicefs bench`. */
  readonly "juicefs-bench": {
    readonly bigFileMiB: number;
    readonly smallFileKiB: number;
    readonly smallFiles: number;
    readonly threads: number;
    readonly seconds: number;
  };
  /** GET and MULTI/EXEC over one connection to the metadata Redis, without a file system. */
  readonly redis: { readonly phaseSeconds: number };
  /** Lookups in indexes of each depth on the data disk, one and several at a time, each for `phaseSeconds`. */
  readonly lookup: { readonly phaseSeconds: number };
  /** Ray tasks on all clients that read one data set through the mount. */
  readonly "ray-read": {
    readonly smallFiles: number;
    readonly smallBytes: number;
    readonly largeFiles: number;
    readonly largeBytes: number;
    readonly tasksPerClient: number;
    readonly seconds: number;
  };
}
export type WorkloadKind = keyof WorkloadKinds;

/** How figures of several clients become one: rates add up; times are averaged, each weighted by its operations. */
export type Combine = "sum" | "mean";

export interface MeasureFacts {
  readonly title: string;
  readonly unit: "ops/s" | "MB/s" | "files/s" | "us" | "requests/file";
  readonly better: "higher" | "lower";
  readonly combine: Combine;
}

export interface WorkloadFacts<K extends WorkloadKind = WorkloadKind> {
  readonly kind: K;
  /** One line for the report: what it does and what its figure means. */
  readonly measures: string;
  /**
   * cold: all caches dropped and a new mount right before; warm: the same work done once, untimed, right before;
   * as-is: neither, because the workload brings its own state or is not on the mount.
   */
  readonly caches: "cold" | "warm" | "as-is";
  readonly place: "mount" | "local-disk" | "network" | "data-disk";
  /** Profiles that run it in the warm-up alone, to show that it works there: it has no verdict in them. */
  readonly once?: readonly Profile[];
  /** Part of a plan only in labs with this component. */
  readonly needs?: "disgrafs";
  /** It reads data that is in the node's block cache: an arm that answers read() must answer some of it. */
  readonly reads?: true;
  /** The workload that shows the machine's own noise: it must not differ between arms. */
  readonly control?: true;
  readonly figures: Readonly<Record<string, MeasureFacts>>;
  readonly parameters: Readonly<Partial<Record<Profile, WorkloadKinds[K]>>>;
}

const rate = (title: string): MeasureFacts => ({ title, unit: "ops/s", better: "higher", combine: "sum" });
const bandwidth = (title: string): MeasureFacts => ({
  title,
  unit: "MB/s",
  better: "higher",
  combine: "sum",
});
const files = (title: string): MeasureFacts => ({ title, unit: "files/s", better: "higher", combine: "sum" });
const time = (title: string): MeasureFacts => ({ title, unit: "us", better: "lower", combine: "mean" });

const KiB = 1024;
const MiB = 1024 * KiB;

type Rw = WorkloadKinds["fio"]["rw"];
type Variant = Pick<WorkloadKinds["fio"], "engine" | "memory" | "diskReads">;

/** A fio workload with its parameters in the profiles named. */
function fio(
  measures: string,
  caches: WorkloadFacts["caches"],
  [rw, blockSize, direct]: readonly [Rw, number, boolean],
  sizes: Readonly<Partial<Record<Profile, readonly [fileSize: number, seconds: number]>>>,
  once: readonly Profile[] = [],
  variant: Variant = {},
): WorkloadFacts<"fio"> {
  const entries = Object.entries(sizes).map(([profile, [fileSize, seconds]]) => [
    profile,
    { rw, blockSize, fileSize, direct, seconds, ...variant },
  ]);
  const large = blockSize > 64 * KiB;
  const figures: Record<string, MeasureFacts> = {};
  if (rw !== "write" && rw !== "randwrite") figures["read"] = large ? bandwidth("read") : rate("read");
  if (rw !== "read" && rw !== "randread") figures["write"] = large ? bandwidth("write") : rate("write");
  return {
    kind: "fio",
    measures,
    caches,
    place: "mount",
    once,
    figures,
    parameters: Object.fromEntries(entries) as WorkloadFacts<"fio">["parameters"],
  };
}

/** Reads of cached blocks, with memory in one state. */
function ofBlocks(
  measures: string,
  [rw, blockSize]: readonly [Rw, number],
  seconds: readonly [reads: number, paper: number],
  variant: Variant,
): WorkloadFacts<"fio"> {
  const sizes = { reads: [32 * MiB, seconds[0]], paper: [1024 * MiB, seconds[1]] } as const;
  // It makes its own state, which does not expire, so it need not be warmed until right before the window.
  return fio(measures, "as-is", [rw, blockSize, false], sizes, [], variant);
}

const mixedWalks = { find: rate("entries as find"), status: rate("paths as git status") };
const walk: WorkloadFacts<"walk"> = {
  kind: "walk",
  measures:
    "entries/s of a walk through a source tree: its real mixture of hits and misses, and each of the two alone",
  caches: "warm",
  place: "mount",
  figures: {
    ...mixedWalks,
    hit: rate("known paths, hit"),
    miss: rate("known paths, miss"),
  },
  once: ["smoke"],
  parameters: {
    smoke: { files: 40, directories: 2, phaseSeconds: 0.1 },
    attributes: { files: 400, directories: 20, phaseSeconds: 1 },
    course: { files: 4000, directories: 80, phaseSeconds: 0.3 },
    paper: { files: 40000, directories: 800, phaseSeconds: 5 },
  },
};

const taggerFigures = { tag: files("files as a tagger reads"), walk: rate("entries as its index walks") };

/**
 * Whether a fio workload reads its file at most once, however fast it is: after one pass, the node has the blocks, and reading on
 * would measure another state.
 */
export function onePass(
  { kind, caches }: { readonly kind: string; readonly caches: string },
  parameters: Readonly<Record<string, unknown>>,
): boolean {
  return kind === "fio" && (caches === "cold" || parameters["memory"] === "none");
}

/** Planned length of a workload's window, in seconds. Waits between its phases are not in it. */
export function windowSeconds(
  { kind, figures }: Pick<WorkloadFacts, "kind" | "figures">,
  parameters: WorkloadKinds[WorkloadKind],
): number {
  // Each phase has a figure.
  if ("phaseSeconds" in parameters) return parameters.phaseSeconds * Object.keys(figures).length;
  if ("seconds" in parameters) return parameters.seconds;
  throw new Error(`a workload of the kind ${kind} has no time`);
}

export const workloads = {
  // Cold workloads come first: the first of a profile uses the new mount that every arm begins with.
  "sequential-read": fio(
    "MB/s of one stream of 1 MiB reads, from the object store at first",
    "cold",
    ["read", MiB, false],
    { reads: [64 * MiB, 8], course: [256 * MiB, 1], paper: [4096 * MiB, 20] },
  ),
  ray: {
    kind: "ray-read",
    measures: "a data set of many small and a few large files, read by Ray tasks on all clients at once",
    caches: "cold",
    place: "mount",
    figures: { small: files("small files"), large: bandwidth("large files") },
    once: ["smoke"],
    parameters: {
      smoke: {
        smallFiles: 8,
        smallBytes: 4 * KiB,
        largeFiles: 2,
        largeBytes: MiB,
        tasksPerClient: 1,
        seconds: 2,
      },
      reads: {
        smallFiles: 100,
        smallBytes: 4 * KiB,
        largeFiles: 2,
        largeBytes: 8 * MiB,
        tasksPerClient: 1,
        seconds: 1,
      },
      course: {
        smallFiles: 200,
        smallBytes: 4 * KiB,
        largeFiles: 2,
        largeBytes: 16 * MiB,
        tasksPerClient: 2,
        seconds: 1,
      },
      paper: {
        smallFiles: 5000,
        smallBytes: 16 * KiB,
        largeFiles: 8,
        largeBytes: 256 * MiB,
        tasksPerClient: 4,
        seconds: 60,
      },
    },
  },
  "tagger-cold": {
    kind: "tagger",
    measures:
      "what DisGraFS asks of the volume (open, stat, read, walk), each file and directory once on a new mount",
    caches: "cold",
    place: "mount",
    figures: taggerFigures,
    parameters: {
      attributes: { files: 400, directories: 20, phaseSeconds: 0.5 },
      paper: { files: 40000, directories: 800, phaseSeconds: 5 },
    },
  },
  metadata: {
    kind: "metadata",
    measures:
      "rate of each metadata operation in a tree that only this client uses; a hit is asked for again within the " +
      "kernel's cache time, a miss after it",
    caches: "as-is",
    place: "mount",
    figures: {
      create: rate("create"),
      statHit: rate("stat, hit"),
      statMiss: rate("stat, miss"),
      openHit: rate("open, hit"),
      openMiss: rate("open, miss"),
      readdir: rate("readdir"),
      rename: rate("rename"),
      unlink: rate("unlink"),
    },
    parameters: {
      smoke: { files: 40, directories: 2, phaseSeconds: 0.1 },
      attributes: { files: 200, directories: 10, phaseSeconds: 0.3 },
      course: { files: 1000, directories: 20, phaseSeconds: 0.25 },
      paper: { files: 10000, directories: 100, phaseSeconds: 3 },
    },
  },
  "walk-warm": walk,
  "walk-cold": {
    ...walk,
    caches: "cold",
    figures: mixedWalks,
    parameters: { paper: { files: 4000, directories: 80, phaseSeconds: 5 } },
  },
  "tagger-warm": {
    kind: "tagger",
    measures: "what DisGraFS asks of the volume (open, stat, read, walk), again and again",
    caches: "warm",
    place: "mount",
    figures: taggerFigures,
    once: ["smoke"],
    parameters: {
      smoke: { files: 40, directories: 2, phaseSeconds: 0.3 },
      attributes: { files: 400, directories: 20, phaseSeconds: 0.5 },
      reads: { files: 400, directories: 20, phaseSeconds: 0.5 },
      paper: { files: 40000, directories: 800, phaseSeconds: 5 },
    },
  },
  application: {
    kind: "application",
    measures:
      "what programs ask: attributes of files just read, and the names that Python tries when it imports",
    caches: "warm",
    place: "mount",
    figures: { reread: rate("files read and asked for again"), import: rate("Python processes that import") },
    once: ["smoke"],
    parameters: {
      smoke: { files: 40, directories: 2, modules: 4, phaseSeconds: 0.2 },
      // On a slow emulated machine, a process that imports 40 modules past all caches takes 5 s, which is too few in a phase to
      // count; and the files come from the object store one after the other before they are warm.
      attributes: { files: 40, directories: 4, modules: 10, phaseSeconds: 1 },
      reads: { files: 40, directories: 4, modules: 10, phaseSeconds: 1 },
      course: { files: 200, directories: 10, modules: 10, phaseSeconds: 1 },
      paper: { files: 10000, directories: 100, modules: 40, phaseSeconds: 5 },
    },
  },
  "sequential-read-direct": fio("sequential-read with O_DIRECT", "cold", ["read", MiB, true], {
    course: [256 * MiB, 0.5],
    paper: [4096 * MiB, 20],
  }),
  "sequential-write": fio(
    "MB/s of one stream of 1 MiB writes, the flush in",
    "as-is",
    ["write", MiB, false],
    {
      course: [128 * MiB, 1],
      paper: [4096 * MiB, 20],
    },
  ),
  "sequential-write-direct": fio("sequential-write with O_DIRECT", "as-is", ["write", MiB, true], {
    course: [128 * MiB, 0.5],
    paper: [4096 * MiB, 20],
  }),
  tagging: {
    kind: "tagging",
    measures:
      "files of many kinds, written on all clients at once, until DisGraFS has tagged each; searches meanwhile",
    caches: "as-is",
    place: "mount",
    needs: "disgrafs",
    figures: {
      tagged: files("files tagged"),
      searchable50: time("close to searchable, p50"),
      searchable99: time("close to searchable, p99"),
      search: time("search under load, p50"),
      requests: {
        title: "FUSE requests for each file",
        unit: "requests/file",
        better: "lower",
        combine: "mean",
      },
    },
    once: ["smoke"],
    parameters: {
      smoke: { files: 10, seconds: 5 },
      tagging: { files: 10, seconds: 10 },
      // An emulated machine takes 2 s for each.
      course: { files: 20, seconds: 3 },
      paper: { files: 1000, seconds: 30 },
    },
  },
  // Without `reads`: the kernel may answer each of its reads from the file's own pages.
  "random-read": fio(
    "4 KiB reads at random places of a file that the caches hold: the cost of a read that stays on the node",
    "warm",
    ["randread", 4 * KiB, false],
    { smoke: [MiB, 1], reads: [32 * MiB, 1.5], course: [64 * MiB, 1], paper: [1024 * MiB, 20] },
    ["smoke"],
  ),
  "random-read-direct": {
    ...fio(
      "random-read with O_DIRECT: past the mount's page cache, so the daemon answers every read that the kernel does not " +
        "answer from the block cache",
      "warm",
      ["randread", 4 * KiB, true],
      { reads: [32 * MiB, 1.5], course: [64 * MiB, 0.5], paper: [1024 * MiB, 20] },
    ),
    reads: true,
  },
  "random-read-blocks": {
    ...ofBlocks(
      "random-read with the block files in memory, and none of the file's own pages: the cost of a read from the block cache",
      ["randread", 4 * KiB],
      [1.5, 10],
      { memory: "blocks" },
    ),
    reads: true,
  },
  "random-read-disk": {
    ...ofBlocks(
      "random-read with the block files on the node's disk only",
      ["randread", 4 * KiB],
      [1.5, 10],
      { memory: "none" },
    ),
    reads: true,
  },
  "random-read-slow-disk": {
    ...ofBlocks(
      "random-read-disk where the disk does at most 100 reads a second: what is left of an advantage there",
      ["randread", 4 * KiB],
      [1.5, 10],
      { memory: "none", diskReads: 100 },
    ),
    reads: true,
  },
  "random-read-mmap": ofBlocks(
    "random-read-blocks by mmap: page faults, which the daemon answers in every arm",
    ["randread", 4 * KiB],
    [1.5, 10],
    { engine: "mmap", memory: "blocks" },
  ),
  "sequential-read-blocks": {
    ...ofBlocks(
      "MB/s of one stream of 128 KiB reads, with the block files in memory and none of the file's own pages",
      ["read", 128 * KiB],
      [1.5, 10],
      { memory: "blocks" },
    ),
    reads: true,
  },
  cat: {
    kind: "cat",
    measures:
      "files/s of `cat` reading several files whole, with its start; the block files in memory, none of the files' own pages",
    caches: "as-is",
    place: "mount",
    reads: true,
    figures: { cat: files("files read whole") },
    parameters: {
      reads: { files: 8, fileSize: MiB, memory: "blocks", seconds: 0.5 },
      paper: { files: 64, fileSize: 4 * MiB, memory: "blocks", seconds: 10 },
    },
  },
  compile: {
    kind: "compile",
    measures: "files/s of a compile of some hundred C files: sources, headers and objects on the volume",
    caches: "warm",
    place: "mount",
    figures: { compile: files("files compiled") },
    parameters: {
      reads: { files: 200, headers: 40, seconds: 2 },
      paper: { files: 400, headers: 80, seconds: 30 },
    },
  },
  "random-write": fio("4 KiB writes at random places, the flush in", "as-is", ["randwrite", 4 * KiB, false], {
    course: [32 * MiB, 0.5],
    paper: [1024 * MiB, 20],
  }),
  "random-write-direct": fio("random-write with O_DIRECT", "as-is", ["randwrite", 4 * KiB, true], {
    course: [32 * MiB, 0.5],
    paper: [1024 * MiB, 20],
  }),
  // Its writes are flushed after the window: fio would charge the flush to the reads.
  mixed: fio("4 KiB, 70 % reads and 30 % writes, the flush not in", "warm", ["randrw", 4 * KiB, false], {
    course: [32 * MiB, 1],
    paper: [1024 * MiB, 20],
  }),
  "mixed-direct": fio("mixed with O_DIRECT", "warm", ["randrw", 4 * KiB, true], {
    course: [32 * MiB, 0.5],
    paper: [1024 * MiB, 20],
  }),
  "juicefs-bench": {
    kind: "juicefs-bench",
    measures: "JuiceFS's own benchmark, for comparison with figures published elsewhere",
    caches: "as-is",
    place: "mount",
    figures: {
      writeBig: bandwidth("write big file"),
      readBig: bandwidth("read big file"),
      writeSmall: files("write small file"),
      readSmall: files("read small file"),
      stat: files("stat file"),
    },
    once: ["smoke"],
    parameters: {
      smoke: { bigFileMiB: 1, smallFileKiB: 4, smallFiles: 2, threads: 1, seconds: 5 },
      paper: { bigFileMiB: 1024, smallFileKiB: 128, smallFiles: 100, threads: 4, seconds: 60 },
    },
  },
  redis: {
    kind: "redis",
    measures: "round trips to the metadata Redis alone: no metadata operation that asks it can be faster",
    caches: "as-is",
    place: "network",
    figures: { get: time("GET"), multi: time("MULTI, GET, EXEC") },
    once: ["smoke"],
    parameters: { smoke: { phaseSeconds: 0.2 }, course: { phaseSeconds: 0.2 }, paper: { phaseSeconds: 2 } },
  },
  lookup: {
    kind: "lookup",
    measures:
      "lookups in B+trees of 3 to 8 levels on the data disk, past the page cache; the baseline reads with pread, and with " +
      "io_uring where several lookups are under way at once",
    caches: "as-is",
    place: "data-disk",
    figures: {
      d3: rate("3 levels"),
      d4: rate("4 levels"),
      d5: rate("5 levels"),
      d6: rate("6 levels"),
      d7: rate("7 levels"),
      d8: rate("8 levels"),
      d8zipf: rate("8 levels, some keys more often"),
      d8q8: rate("8 levels, 8 at once"),
      d8q32: rate("8 levels, 32 at once"),
    },
    parameters: { lookups: { phaseSeconds: 1 } },
  },
  control: {
    kind: "metadata",
    measures: "the metadata workload on the node's own disk: how much this machine differs from itself",
    caches: "as-is",
    place: "local-disk",
    control: true,
    figures: { create: rate("create"), stat: rate("stat"), unlink: rate("unlink") },
    parameters: {
      smoke: { files: 40, directories: 2, phaseSeconds: 0.1 },
      attributes: { files: 200, directories: 10, phaseSeconds: 0.1 },
      lookups: { files: 200, directories: 10, phaseSeconds: 0.1 },
      tagging: { files: 200, directories: 10, phaseSeconds: 0.1 },
      reads: { files: 200, directories: 10, phaseSeconds: 0.1 },
      course: { files: 1000, directories: 20, phaseSeconds: 0.1 },
      paper: { files: 10000, directories: 100, phaseSeconds: 1 },
    },
  },
} as const satisfies Record<string, WorkloadFacts>;

export type WorkloadName = keyof typeof workloads;
export const workloadNames = Object.keys(workloads) as WorkloadName[];

/** The workloads of a profile, in the order in which they run; those that need DisGraFS only where it is. */
export function workloadsOf(profile: Profile, disgrafs: boolean): WorkloadName[] {
  return workloadNames.filter((name) => {
    const { parameters, needs }: WorkloadFacts = workloads[name];
    return profile in parameters && (needs === undefined || disgrafs);
  });
}
