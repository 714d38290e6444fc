import { parseSettings, SettingsError } from "./settings.ts";
import { roomProblems } from "./readSettings.ts";
import { topologies } from "./topology.ts";

/** The lines of the error that settings cause. */
function faults(values: Record<string, unknown>): string[] {
  try {
    parseSettings(values);
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split("\n").slice(1);
    throw error;
  }
  return [];
}

const client = { name: "c1", roles: ["client", "ray-head"] };
const meta = { name: "m", roles: ["meta", "objects"] };

describe("parseSettings", () => {
  it("makes the course topology of nothing at all", () => {
    const settings = parseSettings({});
    expect(settings.nodes).toEqual(topologies.course);
    expect(settings.juicefs).toMatchObject({ mountPoint: "/mnt/jfs", attrCacheSeconds: 1, writeback: false });
  });

  it("takes a custom list, and sizes each node by its roles", () => {
    const { nodes } = parseSettings({ topology: "custom", nodes: [meta, { ...client, memoryMiB: 3000 }] });
    expect(nodes).toEqual([
      { name: "m", roles: ["meta", "objects"], cpus: 1, memoryMiB: 1024, diskGiB: 20 },
      { name: "c1", roles: ["client", "ray-head"], cpus: 2, memoryMiB: 3000, diskGiB: 20 },
    ]);
  });

  it.each([
    [{}, ["ttl", "nocache"]],
    [{ benchmarkArms: "ttl-long, packet-dma" }, ["ttl-long", "packet-dma"]],
    [{ benchmarkArms: ["nocache"] }, ["nocache"]],
  ])("reads the benchmark's arms of %j", (values, arms) => {
    expect(parseSettings(values).benchmarkArms).toEqual(arms);
  });

  it.each([
    ["a misspelt key", { topolgy: "single" }, "topolgy is no setting; did you mean topology?"],
    [
      "a misspelt inner key",
      { juicefs: { writebak: true } },
      "juicefs.writebak is no setting; did you mean writeback?",
    ],
    ["a misspelt key of aws", { aws: { regoin: "x" } }, "aws.regoin is no setting; did you mean region?"],
    [
      "a key that is like no other",
      { juicefs: { compression: "lz4" } },
      "dirEntryCacheSeconds, writeback, storage, bucket. Remove it with: pulumi config rm --path 'juicefs.compression'",
    ],
    ["an unknown kernel", { kernel: "debian-11" }, 'kernel is "debian-11": '],
    [
      "an unknown role",
      { topology: "custom", nodes: [{ name: "a", roles: ["boss"] }] },
      'nodes[0].roles[0] is "boss"',
    ],
    [
      "a bad node name",
      { topology: "custom", nodes: [meta, { ...client, name: "C_1" }] },
      'nodes[1].name is "C_1": must be a host name',
    ],
    [
      "a relative mount point",
      { juicefs: { mountPoint: "jfs" } },
      'juicefs.mountPoint is "jfs": must be an absolute path',
    ],
    ["a kernel that only AWS has", { kernel: "ubuntu-24.04" }, "kernel ubuntu-24.04 is for AWS only"],
    ["aws without its settings", { target: "aws" }, "target is aws, and aws is not set"],
    [
      "file storage with two clients",
      { juicefs: { storage: "file" } },
      "juicefs.storage is file with 2 clients",
    ],
    [
      "a loopback bucket with two clients",
      { juicefs: { bucket: "http://127.0.0.1:9000/b" } },
      "juicefs.bucket is on 127.0.0.1 with 2 clients",
    ],
    [
      "an arm that is none",
      { benchmarkArms: "nocache,ttl-lnog" },
      'benchmarkArms is "nocache,ttl-lnog": no arm is called "ttl-lnog"; arms: ttl, nocache, ttl-long,',
    ],
    ["nodes without custom", { nodes: [meta] }, "nodes is set, and topology is not custom"],
    ["nobody for a role", { topology: "custom", nodes: [meta] }, "0 nodes have the role ray-head"],
    [
      "two Redis nodes",
      { topology: "custom", nodes: [meta, { ...meta, name: "m2" }, client] },
      "2 nodes have the role meta",
    ],
    [
      "two nodes of one name",
      { topology: "custom", nodes: [meta, { ...client, name: "m" }] },
      "two nodes are called m",
    ],
    ["an instruction clock on three machines", { clock: "instructions" }, "clock is instructions"],
  ])("refuses %s, and says which", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
  });

  it("says the command that mends it", () => {
    expect(faults({ juicefs: { storage: "nfs" } })).toEqual([
      `  - juicefs.storage is "nfs": expected one of "s3"|"file"; mend it with: pulumi config set --path 'juicefs.storage' s3`,
    ]);
  });

  it("names every fault at once", () => {
    expect(faults({ topolgy: "single", kernel: "x" })).toHaveLength(2);
  });

  it("allows file storage for one client", () => {
    expect(parseSettings({ topology: "single", juicefs: { storage: "file" } }).juicefs.storage).toBe("file");
  });
});

describe("roomProblems", () => {
  it("says how much is missing", () => {
    const [memory, disk] = roomProblems(topologies.course, { memoryMiB: 2000, diskGiB: 1 });
    expect(memory).toContain("need 4608 MiB of memory and 2000 MiB are free here: 2608 MiB are missing");
    expect(disk).toContain("5 GiB are missing");
  });

  it("is content with enough", () => {
    expect(roomProblems(topologies.course, { memoryMiB: 8000, diskGiB: 50 })).toEqual([]);
  });
});

describe("extensions.fuse", () => {
  const fuse = (settings: object, juicefs: object = {}): Record<string, unknown> => ({
    extensions: { fuse: settings },
    juicefs,
  });

  it("has a mode, a bound, opcodes, and mounts without cache times, when nothing else is said", () => {
    const { extensions, juicefs } = parseSettings(fuse({}));
    expect(extensions.fuse).toEqual({
      mode: "lease",
      boundMs: 100,
      opcodes: ["lookup", "getattr"],
      required: false,
    });
    expect(juicefs).toMatchObject({ attrCacheSeconds: 0, entryCacheSeconds: 0, dirEntryCacheSeconds: 0 });
  });

  it("leaves JuiceFS's cache times where the mode does not need them to be 0", () => {
    for (const mode of ["ttl", "off"])
      expect(parseSettings(fuse({ mode })).juicefs).toMatchObject({
        attrCacheSeconds: 1,
        entryCacheSeconds: 1,
        dirEntryCacheSeconds: 1,
      });
  });

  it.each([
    ["a bound that no agent can keep", fuse({ boundMs: 1 }), "extensions.fuse.boundMs is 1: "],
    ["an unknown mode", fuse({ mode: "fast" }), 'extensions.fuse.mode is "fast": '],
    [
      "an opcode that is never answered",
      fuse({ opcodes: ["open"] }),
      'extensions.fuse.opcodes[0] is "open": expected one of "lookup"|"getattr"',
    ],
    ["no opcode", fuse({ opcodes: [] }), "extensions.fuse.opcodes is []: "],
    [
      "a misspelt key",
      fuse({ bondMs: 5 }),
      "extensions.fuse.bondMs is no setting; did you mean boundMs? Remove it with: pulumi config rm --path 'extensions.fuse.bondMs'",
    ],
    [
      "a cache time that would add to the bound",
      fuse({ mode: "lease" }, { entryCacheSeconds: 1 }),
      "juicefs.entryCacheSeconds is 1 with extensions.fuse.mode lease",
    ],
    [
      "a mode that needs validities without any",
      fuse({ mode: "ttl" }, { attrCacheSeconds: 0, entryCacheSeconds: 0, dirEntryCacheSeconds: 0 }),
      "extensions.fuse.mode is ttl and all cache times of juicefs are 0",
    ],
  ])("refuses %s, and says which", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
  });
});
