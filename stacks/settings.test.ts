import { parseSettings, SettingsError } from "./settings.ts";
import { topologies } from "./topology.ts";

/** The lines of the error for settings. */
function faults(values: Record<string, unknown>): string[] {
  try {
    parseSettings(values);
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split("\n").slice(1);
    throw error;
  }
  return [];
}

/** The values with one set, or removed if undefined, like `pulumi config set --path` and `rm --path`. */
function withValue(values: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  const [first = "", ...rest] = key.split(".");
  const { [first]: inner, ...others } = values;
  if (rest.length > 0)
    return { ...others, [first]: withValue((inner ?? {}) as Record<string, unknown>, rest.join("."), value) };
  return value === undefined ? others : { ...others, [first]: value };
}

/** A command-line argument as Pulumi parses it into an object. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const client = { name: "c1", roles: ["client", "ray-head"] };
const meta = { name: "m", roles: ["meta", "objects"] };
const aws = { region: "eu-central-1", owner: "ada", sshCidr: "203.0.113.7/32" };

describe("the data disk", () => {
  const size = (values: Record<string, unknown>): number | undefined => parseSettings(values).dataDiskMiB;

  it("exists with storage chains, as an extension or as a measured arm, and not without", () => {
    expect(size({})).toBeUndefined();
    expect(size({ extensions: { "storage-chain": {} } })).toBe(256);
    expect(size({ benchmark: "lookups" })).toBe(256);
    expect(size({ benchmark: "lookups", benchmarkArms: "ttl,io-uring" })).toBeUndefined();
    expect(size({ benchmark: "none", benchmarkArms: "chain-wq" })).toBeUndefined();
    expect(size({ dataDiskMiB: 100, extensions: { "storage-chain": {} } })).toBe(100);
  });

  it("has its own arms", () => {
    expect(parseSettings({ benchmark: "lookups" }).benchmarkArms).toEqual([
      "ttl",
      "chain-wq",
      "chain-poll",
      "io-uring-poll",
    ]);
    // Also if these are the default of other profiles.
    for (const benchmarkArms of ["nocache", "ttl,nocache"])
      expect(faults({ benchmark: "lookups", benchmarkArms })[0]).toContain(
        "benchmarkArms: the profile lookups cannot measure nocache",
      );
    expect(faults({ benchmark: "smoke", benchmarkArms: "chain-wq" })[0]).toContain(
      "benchmarkArms: the profile smoke cannot measure chain-wq",
    );
  });
});

describe("parseSettings", () => {
  it("makes the course topology from no settings", () => {
    const settings = parseSettings({});
    expect(settings.nodes).toEqual(topologies.course);
    expect(settings).toMatchObject({ target: "local", accelerator: "auto", clock: "wall" });
    expect(settings).not.toHaveProperty("dataDiskMiB");
  });

  it("mounts at /mnt/jfs with JuiceFS's own cache times and the lab's object store by default", () => {
    expect(parseSettings({}).juicefs).toEqual({
      mountPoint: "/mnt/jfs",
      cacheDir: "/var/cache/juicefs",
      cacheSizeMiB: 1024,
      attrCacheSeconds: 1,
      entryCacheSeconds: 1,
      dirEntryCacheSeconds: 1,
      writeback: false,
      storage: "s3",
    });
  });

  it.each<[string, readonly unknown[], readonly unknown[]]>([
    [
      "juicefs.mountPoint",
      ["/jfs", "/mnt/a-b_c.d/e"],
      ["/mnt/jfs/", "/mnt//jfs", "x/jfs", "/mnt/a b", "/mnt/b*"],
    ],
    [
      "juicefs.cacheDir",
      ["/cache", "/mnt/a-b_c.d/e"],
      ["/cache/", "/mnt//cache", "x/cache", "/mnt/a b", "/"],
    ],
    ["juicefs.cacheSizeMiB", [0, 100_000], [-1, 0.5]],
    ["juicefs.attrCacheSeconds", [0, 0.5, 86_400], [-1, 86_401]],
    ["dataDiskMiB", [64, 65_536], [63, 65_537, 64.5]],
    ["benchmarkMarginPercent", [0.1, 100], [0, 101]],
    ["seed", [1, 2 ** 31 - 1], [0, 2 ** 31]],
    ["disgrafs.taggers", [1, 64], [0, 65]],
  ])("accepts %s up to its limits, and nothing beyond", (key, good, bad) => {
    for (const value of good) expect(faults(withValue({}, key, value))).toEqual([]);
    for (const value of bad)
      expect(faults(withValue({}, key, value))).toEqual([
        expect.stringContaining(`  - ${key} is ${JSON.stringify(value)}: `),
      ]);
  });

  it.each<[string, readonly unknown[], readonly unknown[]]>([
    ["name", ["a", "7", "a-b", "a--b", "x".repeat(32)], ["", "-a", "a-", "a.b", "A", "a b", "x".repeat(33)]],
    ["cpus", [1, 64], [0, 65, 1.5]],
    ["memoryMiB", [512, 100_000], [511, 512.5]],
    ["diskGiB", [20, 1000], [19, 20.5]],
  ])("accepts a node's %s up to its limits, and nothing beyond", (key, good, bad) => {
    const of = (value: unknown): string[] =>
      faults({ topology: "custom", nodes: [meta, { ...client, [key]: value }] });
    for (const value of good) expect(of(value)).toEqual([]);
    for (const value of bad)
      expect(of(value)).toEqual([
        expect.stringContaining(`  - nodes[1].${key} is ${JSON.stringify(value)}: `),
      ]);
  });

  it.each<[string, readonly string[]]>([
    ["target", ["local"]],
    ["topology", ["single", "course"]],
    ["kernel", ["debian-12", "debian-13", "debian-13-backports"]],
    ["accelerator", ["auto", "kvm", "tcg"]],
    ["benchmark", ["none", "smoke", "attributes", "lookups", "reads", "course", "paper"]],
    ["juicefs.storage", ["s3", "file"]],
    ["disgrafs.graph", ["falkordb", "neo4j"]],
  ])("accepts each value of %s", (key, values) => {
    for (const value of values) expect(faults(withValue({ topology: "single" }, key, value))).toEqual([]);
  });

  it("accepts a custom list, and sizes each node by its roles", () => {
    const { nodes } = parseSettings({ topology: "custom", nodes: [meta, { ...client, memoryMiB: 3000 }] });
    expect(nodes).toEqual([
      { name: "m", roles: ["meta", "objects"], cpus: 1, memoryMiB: 1024, diskGiB: 20 },
      { name: "c1", roles: ["client", "ray-head"], cpus: 2, memoryMiB: 3000, diskGiB: 20 },
    ]);
  });

  it("sizes the machine of the topology single for all services", () => {
    expect(parseSettings({ topology: "single" }).nodes).toEqual([
      {
        name: "node1",
        roles: ["meta", "objects", "client", "ray-head"],
        cpus: 2,
        memoryMiB: 2560,
        diskGiB: 20,
      },
    ]);
  });

  it.each([
    [{}, ["ttl", "nocache"]],
    [{ benchmarkArms: "ttl-long, packet-dma" }, ["ttl-long", "packet-dma"]],
    [{ benchmarkArms: ["nocache"] }, ["nocache"]],
  ])("reads the benchmark's arms of %j", (values, arms) => {
    expect(parseSettings(values).benchmarkArms).toEqual(arms);
  });

  it("accepts on and off as YAML reads them without quotes", () => {
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
    [
      "a relative cache folder",
      { juicefs: { cacheDir: "cache" } },
      'juicefs.cacheDir is "cache": must be an absolute path',
    ],
    [
      "a kernel that only AWS has",
      { kernel: "ubuntu-24.04" },
      "kernel ubuntu-24.04 is for AWS only; kernels of a local lab: debian-12, debian-13, debian-13-backports",
    ],
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
    [
      "a node without a role",
      { topology: "custom", nodes: [meta, client, { name: "n", roles: [] }] },
      "n has no role",
    ],
    [
      "a Ray head that is a worker too",
      { topology: "custom", nodes: [meta, { name: "c1", roles: ["client", "ray-head", "ray-worker"] }] },
      "c1 is ray-head and ray-worker",
    ],
    ["a custom topology without nodes", { topology: "custom" }, "0 nodes have the role meta"],
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
    ["Ray's metrics that nothing reads", { rayMetrics: true }, "rayMetrics is on but monitoring is false"],
    ["Grafana with nothing to draw", { grafana: "on" }, "grafana is on but monitoring is false"],
    [
      "a Grafana that is neither",
      { grafana: "yes" },
      'grafana is "yes": expected one of "auto"|"on"|"off"; fix it',
    ],
    ["an instruction clock on three machines", { clock: "instructions" }, "clock is instructions"],
    [
      "an instruction clock with KVM, which counts none",
      { clock: "instructions", topology: "single", accelerator: "kvm" },
      "clock is instructions, which needs a single emulated local machine",
    ],
    [
      "an instruction clock on a machine that may get KVM",
      { clock: "instructions", topology: "single" },
      "local machine: ./lab up -c topology=single -c accelerator=tcg, or set clock to wall",
    ],
    [
      "an instruction clock on AWS",
      { clock: "instructions", topology: "single", target: "aws", aws },
      "clock is instructions",
    ],
    [
      "monitoring on a kernel without its packages",
      { target: "aws", aws, kernel: "amazon-linux-2023", monitoring: true },
      "monitoring is on, but Amazon Linux 2023 has no Prometheus package",
    ],
    [
      "a misspelt key of DisGraFS",
      { disgrafs: { tagers: 2 } },
      "disgrafs.tagers is not a setting; did you mean taggers?",
    ],
    [
      "a misspelt key of a node",
      { topology: "custom", nodes: [meta, { ...client, cpu: 2 }] },
      "nodes[1].cpu is not a setting; did you mean cpus? Remove it with: ./lab up --unset 'nodes[1].cpu'",
    ],
    [
      "an extension that there is not",
      { extensions: { tracing: {} } },
      "extensions.tracing is not a setting; known here: fuse-latency, packet-dma,",
    ],
    [
      "a key that is like no other setting",
      { verbose: true },
      "known here: target, topology, nodes, kernel,",
    ],
    [
      "rows of a benchmark that gives no verdicts",
      { benchmark: "smoke", benchmarkRows: "metadata" },
      "benchmarkRows is metadata: the profile smoke gives no verdicts",
    ],
    [
      "a row of an arm that is not measured",
      { benchmark: "course", benchmarkArms: "nocache", benchmarkRows: "control/*/nocache,metadata/stat" },
      'benchmarkRows is control/*/nocache,metadata/stat: no row of the verdict table is called "metadata/stat"',
    ],
    [
      "rows of no use, with the command that removes them",
      { benchmark: "smoke", benchmarkRows: "metadata" },
      "; remove it with: ./lab up --unset benchmarkRows",
    ],
    [
      "a row of DisGraFS without it",
      { benchmark: "course", benchmarkRows: "tagging" },
      'no row of the verdict table is called "tagging"',
    ],
  ])("refuses %s, and says which", (_, values, line) => {
    expect(faults(values).join("\n")).toContain(line);
  });

  it("names the command that fixes it", () => {
    expect(faults({ juicefs: { storage: "nfs" } })).toEqual([
      `  - juicefs.storage is "nfs": expected one of "s3"|"file"; fix it with: ./lab up -c juicefs.storage=s3`,
    ]);
    expect(faults({ topology: "custom", nodes: [meta, { ...client, diskGiB: 19 }] })).toEqual([
      "  - nodes[1].diskGiB is 19: must be 20 or more: the size of the image; " +
        "fix it with: ./lab up -c 'nodes[1].diskGiB=20'",
    ]);
  });

  it.each<[string, unknown, string]>([
    ["seed", 0, "-c seed=1"],
    ["seed", 2 ** 31, "-c seed=2147483647"],
    ["benchmarkMarginPercent", 0, "-c benchmarkMarginPercent=0.1"],
    ["benchmarkMarginPercent", 101, "-c benchmarkMarginPercent=100"],
    // The default if no end of a range is known.
    ["benchmarkMarginPercent", "little", "-c benchmarkMarginPercent=5"],
    ["monitoring", "yes", "-c monitoring=false"],
    ["juicefs.cacheDir", 3, "-c juicefs.cacheDir=/var/cache/juicefs"],
    // The length of a list or a text is not a value for it.
    ["extensions.fuse.opcodes", [], "--unset extensions.fuse.opcodes"],
    ["aws.profile", "", "--unset aws.profile"],
    // A limit that is not in its range.
    ["aws.maxHourlyCost", 0, "-c aws.maxHourlyCost=1"],
  ])("proposes the nearest allowed value or the default for %s = %j", (key, value, fix) => {
    expect(faults(withValue({ aws }, key, value))).toEqual([
      expect.stringMatching(new RegExp(`; fix it with: \\./lab up ${fix.replaceAll(".", "\\.")}$`)),
    ]);
  });

  it("proposes to set a missing setting without a default", () => {
    expect(faults({ aws: { owner: "ada", sshCidr: "203.0.113.7/32" } })).toEqual([
      expect.stringMatching(/^ {2}- aws\.region is undefined: .*; set it: \.\/lab up -c aws\.region=VALUE$/),
    ]);
  });

  it.each<[Record<string, unknown>, string]>([
    [
      { disgrafs: { taggers: 1.5 } },
      "disgrafs.taggers is 1.5: expected int, received number; fix it with: ./lab up --unset disgrafs.taggers",
    ],
    [
      { disgrafs: "on" },
      'disgrafs is "on": expected boolean, received string, or expected object, received string; fix it with: ./lab up --unset disgrafs',
    ],
    [
      { benchmarkArms: 5 },
      "benchmarkArms is 5: expected array, received number, or expected string, received number; fix it with: ./lab up --unset benchmarkArms",
    ],
  ])("names the place and the choices of a setting with two forms: %j", (values, line) => {
    expect(faults(values)).toEqual([`  - ${line}`]);
  });

  it("lists no keys for an unknown key of a free-form object", () => {
    const network = { vpcId: "vpc-01234567", subnetId: "subnet-01234567", zone: "a" };
    expect(faults({ aws: { ...aws, network } })).toEqual([
      "  - aws.network.zone is not a setting; remove it with: ./lab up --unset aws.network.zone",
    ]);
  });

  it("names the stack in that command if it is not the default", () => {
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
    ["disgrafs", "on"],
    ["disgrafs.taggers", 0],
    ["disgrafs.graph", "mysql"],
    ["benchmarkArms", 5],
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

  it("names all faults at once, under one heading", () => {
    expect(faults({ topolgy: "single", kernel: "x" })).toHaveLength(2);
    expect(() => parseSettings({ target: "aws", clock: "instructions" })).toThrow(
      /^the stack's settings are invalid:\n {2}- target is aws, [^\n]*\n {2}- clock is instructions, [^\n]*$/,
    );
  });

  it("allows an instruction clock on one machine that is emulated", () => {
    expect(faults({ clock: "instructions", topology: "single", accelerator: "tcg" })).toEqual([]);
  });

  it("allows the target aws with its settings, and a kernel that only AWS has", () => {
    expect(faults({ target: "aws", aws })).toEqual([]);
    expect(faults({ target: "aws", aws, kernel: "amazon-linux-2023" })).toEqual([]);
  });

  it("allows Grafana with monitoring, and monitoring without it", () => {
    expect(faults({ monitoring: true, grafana: "on" })).toEqual([]);
    expect(faults({ monitoring: true, grafana: "off" })).toEqual([]);
  });

  it("accepts rows with additional spaces and commas, and rows of DisGraFS in a lab with DisGraFS", () => {
    expect(parseSettings({ benchmarkRows: " control/*/nocache, ,metadata," }).benchmarkRows).toEqual([
      "control/*/nocache",
      "metadata",
    ]);
    const values = { benchmark: "course", disgrafs: true, benchmarkRows: ["tagging"] };
    expect(parseSettings(values).benchmarkRows).toEqual(["tagging"]);
  });

  it("refuses a benchmark of DisGraFS in a lab without it, and says how to switch it on", () => {
    expect(faults({ benchmark: "tagging" })).toEqual([
      "  - benchmark tagging measures DisGraFS, which is off; set it on: ./lab up -c disgrafs=true",
    ]);
    expect(faults({ benchmark: "tagging", disgrafs: true })).toEqual([]);
  });

  it("names the stack in an extension's advice", () => {
    expect(() => parseSettings({ extensions: { fuse: { mode: "off", reads: "cache" } } }, "second")).toThrow(
      "switch reads off: ./lab up --stack second -c extensions.fuse.reads=off",
    );
  });

  it("allows write-back without DisGraFS, and DisGraFS without write-back", () => {
    expect(faults({ juicefs: { writeback: true } })).toEqual([]);
    expect(faults({ disgrafs: true })).toEqual([]);
  });

  it("does not change the cache times for an extension that does not need them to be 0", () => {
    const { juicefs } = parseSettings({
      extensions: { "fuse-latency": {} },
      juicefs: { attrCacheSeconds: 3 },
    });
    expect(juicefs).toMatchObject({ attrCacheSeconds: 3, entryCacheSeconds: 1, dirEntryCacheSeconds: 1 });
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

  it.each([
    ["getattr", ["getattr"]],
    ["lookup, getattr", ["lookup", "getattr"]],
    [["getattr"], ["getattr"]],
  ])("takes opcodes as a comma-separated text or a list: %j", (opcodes, names) => {
    expect(parseSettings({ extensions: { fuse: { opcodes } } }).extensions.fuse?.opcodes).toEqual(names);
  });

  it("has a default mode, bound and opcodes, and sets cache times to 0", () => {
    const { extensions, juicefs } = parseSettings(fuse({}));
    expect(extensions.fuse).toEqual({
      mode: "lease",
      boundMs: 100,
      opcodes: ["lookup", "getattr"],
      reads: "off",
      kernelCache: false,
      required: false,
    });
    expect(juicefs).toMatchObject({ attrCacheSeconds: 0, entryCacheSeconds: 0, dirEntryCacheSeconds: 0 });
  });

  it.each([
    [{}, undefined],
    [{ disgrafs: false }, undefined],
    [{ disgrafs: true }, { graph: "falkordb", taggers: 1, exclude: [] }],
    [{ disgrafs: { taggers: 3 } }, { graph: "falkordb", taggers: 3, exclude: [] }],
    [{ disgrafs: { graph: "neo4j" } }, { graph: "neo4j", taggers: 1, exclude: [] }],
    [
      { disgrafs: { exclude: "node_modules, .git" } },
      { graph: "falkordb", taggers: 1, exclude: ["node_modules", ".git"] },
    ],
    [{ disgrafs: { exclude: ["a, b"] } }, { graph: "falkordb", taggers: 1, exclude: ["a, b"] }],
  ])("reads the application's settings of %j", (values, expected) => {
    expect(parseSettings(values).disgrafs).toEqual(expected);
  });

  it("gives the graph's machine more memory for Neo4j, unless its size is set", () => {
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
    ["a path to be left out", { disgrafs: { exclude: "src/.git" } }, "must be the name of a directory"],
    ["the parent directory", { disgrafs: { exclude: [".."] } }, "must be the name of a directory"],
    ["a name with a newline", { disgrafs: { exclude: ["a\nb"] } }, "must be the name of a directory"],
    ["a name of 256 bytes", { disgrafs: { exclude: ["ä".repeat(128)] } }, "must be the name of a directory"],
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

  it("keeps JuiceFS's cache times if the mode does not need them to be 0", () => {
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
      'extensions.fuse.opcodes is ["open"]: no opcode is called "open"; opcodes: lookup, getattr; fix it with',
    ],
    [
      "an unknown opcode in a text",
      fuse({ opcodes: "getattr,open" }),
      'extensions.fuse.opcodes is "getattr,open": no opcode is called "open"; opcodes: lookup, getattr; ' +
        "fix it with: ./lab up --unset extensions.fuse.opcodes",
    ],
    ["no opcode", fuse({ opcodes: [] }), "extensions.fuse.opcodes is []: no opcode is named; opcodes: "],
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
