import { parseSettings, SettingsError } from "./settings.ts";
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

/** The values with one set, or taken out when it is undefined, as `pulumi config set --path` and `rm --path` do it. */
function withValue(values: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  const [first = "", ...rest] = key.split(".");
  const { [first]: inner, ...others } = values;
  if (rest.length > 0)
    return { ...others, [first]: withValue((inner ?? {}) as Record<string, unknown>, rest.join("."), value) };
  return value === undefined ? others : { ...others, [first]: value };
}

/** A word of a command line as Pulumi reads it into an object. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const client = { name: "c1", roles: ["client", "ray-head"] };
const meta = { name: "m", roles: ["meta", "objects"] };

describe("the data disk", () => {
  const size = (values: Record<string, unknown>): number | undefined => parseSettings(values).dataDiskMiB;

  it("is there with storage chains, as an extension or as an arm that is to be measured, and not without", () => {
    expect(size({})).toBeUndefined();
    expect(size({ extensions: { "storage-chain": {} } })).toBe(256);
    expect(size({ benchmark: "lookups" })).toBe(256);
    expect(size({ benchmark: "lookups", benchmarkArms: "ttl,io-uring" })).toBeUndefined();
    expect(size({ benchmark: "none", benchmarkArms: "chain-wq" })).toBeUndefined();
    expect(size({ dataDiskMiB: 100, extensions: { "storage-chain": {} } })).toBe(100);
  });

  it("is measured with arms of its own", () => {
    expect(parseSettings({ benchmark: "lookups" }).benchmarkArms).toEqual([
      "ttl",
      "chain-wq",
      "chain-poll",
      "io-uring-poll",
    ]);
    expect(faults({ benchmark: "lookups", benchmarkArms: "nocache" })[0]).toContain(
      "benchmarkArms: the profile lookups cannot measure nocache",
    );
    expect(faults({ benchmark: "smoke", benchmarkArms: "chain-wq" })[0]).toContain(
      "benchmarkArms: the profile smoke cannot measure chain-wq",
    );
  });
});

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

  it("takes on and off also as YAML reads them without quotes", () => {
    const grafana = (value: unknown): string => parseSettings({ monitoring: true, grafana: value }).grafana;
    expect(["on", "off", true, false].map(grafana)).toEqual(["on", "off", "on", "off"]);
    expect(parseSettings({}).grafana).toBe("auto");
  });

  it.each([
    ["a misspelt key", { topolgy: "single" }, "topolgy is not a setting; did you mean topology?"],
    [
      "a misspelt inner key",
      { juicefs: { writebak: true } },
      "juicefs.writebak is not a setting; did you mean writeback?",
    ],
    ["a misspelt key of aws", { aws: { regoin: "x" } }, "aws.regoin is not a setting; did you mean region?"],
    [
      "a key that is like no other",
      { juicefs: { compression: "lz4" } },
      "dirEntryCacheSeconds, writeback, storage. Remove it with: ./lab up --unset juicefs.compression",
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
    ["aws without its settings", { target: "aws" }, "target is aws, but aws is not set"],
    [
      "file storage with two clients",
      { juicefs: { storage: "file" } },
      "juicefs.storage is file with 2 clients",
    ],
    [
      "a mount point in a folder of the machine's own",
      { juicefs: { mountPoint: "/usr/jfs" } },
      "juicefs.mountPoint is /usr/jfs: that is the machine's own",
    ],
    [
      "a bucket of one's own",
      { juicefs: { bucket: "http://10.0.0.1:9000/b" } },
      "juicefs.bucket is not a setting",
    ],
    [
      "an arm that is none",
      { benchmarkArms: "nocache,ttl-lnog" },
      'benchmarkArms is "nocache,ttl-lnog": no arm is called "ttl-lnog"; arms: ttl, nocache, ttl-long,',
    ],
    ["nodes without custom", { nodes: [meta] }, "nodes is set but topology is not custom"],
    ["nobody for a role", { topology: "custom", nodes: [meta] }, "0 nodes have the role ray-head"],
    [
      "nobody who mounts the volume",
      { topology: "custom", nodes: [meta, { name: "r", roles: ["ray-head"] }] },
      "no node has the role client; at least one must",
    ],
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
    ["Grafana with nothing to draw", { grafana: "on" }, "grafana is on but monitoring is false"],
    [
      "a Grafana that is neither",
      { grafana: "yes" },
      'grafana is "yes": expected one of "auto"|"on"|"off"; fix it',
    ],
    ["an instruction clock on three machines", { clock: "instructions" }, "clock is instructions"],
  ])("refuses %s, and says which", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
  });

  it("names the command that fixes it", () => {
    expect(faults({ juicefs: { storage: "nfs" } })).toEqual([
      `  - juicefs.storage is "nfs": expected one of "s3"|"file"; fix it with: ./lab up -c juicefs.storage=s3`,
    ]);
  });

  it("names the stack in that command, where it is not the default one", () => {
    expect(() => parseSettings({ kernel: "x" }, "second")).toThrow(
      "./lab up --stack second -c kernel=debian-12",
    );
  });

  it.each([
    ["target", "here"],
    ["topology", "huge"],
    ["kernel", "debian-11"],
    ["accelerator", "fast"],
    ["clock", "atomic"],
    ["benchmark", "long"],
    ["benchmarkArms", "ttl-lnog"],
    ["seed", 0],
    ["seed", 2 ** 31],
    ["seed", "one"],
    ["monitoring", "yes"],
    ["juicefs.mountPoint", "jfs"],
    ["juicefs.cacheDir", 3],
    ["juicefs.cacheSizeMiB", -1],
    ["juicefs.attrCacheSeconds", 86_401],
    ["juicefs.entryCacheSeconds", "long"],
    ["juicefs.dirEntryCacheSeconds", -1],
    ["juicefs.writeback", "on"],
    ["juicefs.storage", "nfs"],
    ["extensions.fuse.mode", "fast"],
    ["extensions.fuse.boundMs", 1],
    ["extensions.fuse.required", "no"],
    ["extensions.fuse-latency.required", "no"],
    ["misspelt", 1],
    ["juicefs.misspelt", 1],
    ["extensions.misspelt", {}],
  ])("gives a command that fixes %s = %j", (key, value) => {
    const values = withValue({}, key, value);
    const line = faults(values).find((fault) => fault.includes(key)) ?? "";
    const command = /\.\/lab up (?:-c (?<set>\S+)|--unset (?<unset>\S+))$/.exec(line)?.groups;
    const [name, text] = (command?.set ?? `${command?.unset}=`).replaceAll("'", "").split("=");
    expect(name).toBe(key);
    expect(
      faults(withValue(values, key, command?.set === undefined ? undefined : parsed(text ?? ""))),
    ).toEqual([]);
  });

  it("names every fault at once", () => {
    expect(faults({ topolgy: "single", kernel: "x" })).toHaveLength(2);
  });

  it("allows file storage for one client", () => {
    expect(parseSettings({ topology: "single", juicefs: { storage: "file" } }).juicefs.storage).toBe("file");
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
      reads: "off",
      required: false,
    });
    expect(juicefs).toMatchObject({ attrCacheSeconds: 0, entryCacheSeconds: 0, dirEntryCacheSeconds: 0 });
  });

  it.each([
    [{}, undefined],
    [{ disgrafs: false }, undefined],
    [{ disgrafs: true }, { graph: "falkordb", taggers: 1 }],
    [{ disgrafs: { taggers: 3 } }, { graph: "falkordb", taggers: 3 }],
    [{ disgrafs: { graph: "neo4j" } }, { graph: "neo4j", taggers: 1 }],
  ])("reads the application's settings of %j", (values, expected) => {
    expect(parseSettings(values).disgrafs).toEqual(expected);
  });

  it("gives the machine of the graph more memory for Neo4j, unless its size is said", () => {
    const disgrafs = { graph: "neo4j" };
    const memory = (values: object): number[] =>
      parseSettings({ disgrafs, ...values }).nodes.map(({ memoryMiB }) => memoryMiB);
    const [meta = 0, ...others] = topologies.course.map(({ memoryMiB }) => memoryMiB);
    expect(memory({})).toEqual([meta + 768, ...others]);
    const roles = ["meta", "objects", "client", "ray-head"];
    expect(memory({ topology: "custom", nodes: [{ name: "n", roles, memoryMiB: 4000 }] })).toEqual([4000]);
  });

  it.each([
    ["a store that there is not", { disgrafs: { graph: "kuzu" } }, "disgrafs"],
    [
      "write-back, with which others cannot read",
      { disgrafs: true, juicefs: { writeback: true } },
      "disgrafs is on with juicefs.writeback",
    ],
    [
      "a Ray head without the volume",
      {
        disgrafs: true,
        topology: "custom",
        nodes: [meta, { name: "h", roles: ["ray-head"] }, { name: "c", roles: ["client", "ray-worker"] }],
      },
      "disgrafs needs a mount on the Ray head h",
    ],
  ])("refuses DisGraFS with %s", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
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
      "extensions.fuse.bondMs is not a setting; did you mean boundMs? Remove it with: ./lab up --unset extensions.fuse.bondMs",
    ],
    [
      "a cache time that would add to the bound",
      fuse({ mode: "lease" }, { entryCacheSeconds: 1 }),
      "juicefs.entryCacheSeconds is 1 with extensions.fuse.mode lease",
    ],
    [
      "a mode that needs validities without any",
      fuse({ mode: "ttl" }, { attrCacheSeconds: 0, entryCacheSeconds: 0, dirEntryCacheSeconds: 0 }),
      "extensions.fuse.mode is ttl but all cache times of juicefs are 0",
    ],
  ])("refuses %s, and says which", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
  });
});
