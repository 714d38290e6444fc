/** The status from nodes' reports. monitoring/services.long.test.ts and lab.lab.test.ts use `./lab status` with real machines. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onScreen } from "../commands/status.ts";
import { expectedOf, questionsFor } from "./expected.ts";
import { labStatus, type LabStatus } from "./labStatus.ts";
import { statusLines } from "./lines.ts";
import { clockOff } from "./clock.ts";
import { askNode, type Asked, type NodeReport, type Questions } from "./nodeReport.ts";

const outputs = {
  nodes: [
    { name: "meta", roles: ["meta", "objects"], kernel: "6.12", ssh: "ssh meta", address: "10.77.0.10" },
    { name: "node1", roles: ["client", "ray-head"], kernel: "6.12", ssh: "ssh node1", address: "10.77.0.11" },
  ],
  mountPoint: "/mnt/jfs",
  health: { redis: "", objects: "", juicefs: "", ray: "" },
  monitoring: { prometheus: "http://10.77.0.10:9090" },
  disgrafs: null,
  extensionVerdicts: [
    { extension: "fuse", node: "node1", keepLoaded: true, verdict: { supported: true } },
    { extension: "packet-dma", node: "node1", keepLoaded: false, verdict: { supported: true } },
  ],
  targetFacts: { clock: "wall" },
};
const expected = expectedOf("local", outputs);
const units = (names: readonly string[]): NodeReport["units"] =>
  names.map((unit) => ({ unit, active: "active", sub: "running" }));
const fuse = { name: "fuse", state: "active", figuresAge: 3, asked: 1000, hits: 900 };

const well: NodeReport["answers"] = { mount: true, redis: true, objects: true, api: null, graph: null };
const report = (node: string, over: Partial<NodeReport> = {}): NodeReport => ({
  clock: 0,
  load: 0.5,
  cpus: 2,
  memoryUsed: 0.4,
  disk: { free: 15e9, size: 20e9, errors: 0, writable: true },
  units: units(expected.services.map(({ unit }) => unit)),
  answers: { ...well, mount: node === "meta" ? null : true },
  extensions: node === "node1" ? [fuse] : [],
  benchmark: null,
  disgrafs: null,
  prometheus: node === "meta" ? { down: [], failedWrites: 0, storing: true } : null,
  ...over,
});
const running = "running, pid 7, ssh on 127.0.0.1:4000";
const judge = (
  changed: {
    meta?: Partial<NodeReport>;
    node1?: Partial<NodeReport> | Asked;
    machines?: string[];
    clockOff?: number;
    freeHere?: number;
  } = {},
  over: Partial<typeof expected> = {},
): LabStatus => {
  const other = changed.node1 ?? {};
  const asked: Asked[] = [
    { report: report("meta", changed.meta), clockOff: changed.clockOff ?? 0 },
    "failure" in other ? other : { report: report("node1", other as Partial<NodeReport>), clockOff: 0 },
  ];
  const machines = changed.machines ?? [running, running];
  return labStatus({
    expected: { ...expected, ...over },
    machines,
    asked,
    now: new Date("2026-11-30T10:00:00Z"),
    ...(changed.freeHere !== undefined && { freeHere: changed.freeHere }),
  });
};

describe("the status of a lab", () => {
  it("is ok when everything that the last up created exists and answers", () => {
    const status = judge();
    expect(status.problems).toEqual([]);
    expect(status.ok).toBe(true);
    expect(status.services.map(({ service, node }) => `${service} ${node}`)).toEqual([
      ...["Redis meta", "object store meta", "JuiceFS node1", "Ray node1", "Prometheus meta"],
      ...["node exporter meta", "node exporter node1", "iostat exporter meta", "iostat exporter node1"],
      ...["Redis exporter meta", "Ray's state node1"],
    ]);
    expect(status.extensions).toEqual([
      { extension: "fuse", node: "node1", state: "active", asked: 1000, hitRatio: 0.9 },
    ]);
  });

  it.each([
    [
      "a node that is gone",
      { node1: { failure: "Connection refused" } },
      "node1: no answer by ssh: Connection refused",
    ],
    [
      "a machine whose disk has failed, so that nobody can log in",
      { node1: { failure: "Connection closed", diskErrors: 12 } },
      "node1: no answer by ssh: Connection closed; 12 requests to its disk failed, as when this computer's disk is full. Free some " +
        "space, then restart it: kill 7, then ./lab up",
    ],
    [
      "a machine that does not run",
      { machines: [running, "not running"], node1: { failure: "its machine is not running" } },
      "node1: the machine is not running; ./lab up restarts local machines",
    ],
    [
      "a full disk of this computer",
      { freeHere: 20 * 2 ** 20 },
      "this computer: only 20 MiB are free on the disk that holds the machines' disks; without space, writes in the machines " +
        "fail. Free some space, then ask again: the status names each machine that must be restarted",
    ],
    [
      "a service that has failed",
      {
        meta: {
          units: [
            ...units(["weed.service"]),
            { unit: "redis-server.service", active: "failed", sub: "failed" },
          ],
        },
      },
      "meta: Redis is failed; ./lab logs meta says why",
    ],
    [
      "a service that was removed",
      { node1: { units: units(["ray.service"]) } },
      "node1: JuiceFS is missing; ./lab up creates it",
    ],
    [
      "Redis that one client cannot reach",
      { node1: { answers: { ...well, redis: false } } },
      "meta: Redis runs, but does not answer node1; ./lab logs meta",
    ],
    [
      "a mount that hangs",
      { node1: { answers: { ...well, mount: false } } },
      "node1: JuiceFS runs, but does not answer node1; ./lab logs node1",
    ],
    [
      "an exporter that is dead",
      {
        meta: {
          prometheus: {
            down: [{ job: "node", node: "node1", error: "connection refused" }],
            failedWrites: 0,
            storing: true,
          },
        },
      },
      "node1: Prometheus cannot scrape the job node: connection refused",
    ],
    [
      "a Prometheus that cannot write",
      { meta: { prometheus: { down: [], failedWrites: 3, storing: true } } },
      "meta: Prometheus could not write 3 times since it started: is its disk full? ./lab logs meta monitoring",
    ],
    [
      "a Prometheus that stores nothing",
      { meta: { prometheus: { down: [], failedWrites: 0, storing: false } } },
      "meta: Prometheus is not storing samples: is its disk full, or has its clock jumped? ./lab logs meta monitoring",
    ],
    [
      "a Prometheus that does not answer",
      { meta: { prometheus: { down: null, failedWrites: null, storing: null } } },
      "meta: Prometheus does not answer; ./lab logs meta monitoring",
    ],
    [
      "a full disk",
      { meta: { disk: { free: 1e8, size: 2e10, errors: 0, writable: true } } },
      "meta: its disk is full (95 MiB free)",
    ],
    [
      "a disk with failed writes",
      { meta: { disk: { free: 15e9, size: 2e10, errors: 7, writable: true } } },
      "meta: 7 requests to its disk failed, as when this computer's disk is full. Free some space, then restart it: kill 7, then ./lab up",
    ],
    [
      "a disk that became read-only",
      { meta: { disk: { free: 15e9, size: 2e10, errors: 7, writable: false } } },
      "meta: its disk has failed, and is read-only, as when this computer's disk is full. Free some space, then restart it: kill 7, then ./lab up",
    ],
    [
      "a clock that has jumped",
      { clockOff: -3600 },
      "meta: its clock is 3600 s behind this computer's: times of different nodes cannot be compared; ./lab up sets it",
    ],
    [
      "an extension that is not loaded any more",
      { node1: { extensions: [{ ...fuse, state: "inactive" }] } },
      "node1: the extension fuse is not loaded; ./lab up loads it",
    ],
    [
      "an extension that has failed",
      { node1: { extensions: [{ ...fuse, state: "failed" }] } },
      "node1: the extension fuse has failed; ./lab logs node1 extensions",
    ],
    [
      "an extension that writes no metrics",
      { node1: { extensions: [{ ...fuse, figuresAge: 120 }] } },
      "node1: the extension fuse has written no metrics for 120 s",
    ],
  ] as const)("has one line about %s", (_, changed, line) => {
    const { ok, problems } = judge(changed as Parameters<typeof judge>[0]);
    expect(problems.filter((each) => each === line)).toEqual([line]);
    expect(ok).toBe(false);
  });

  it("does not report mounts and exporters that a benchmark's arms stop, but does report those that failed", () => {
    const benchmark = { run: "smoke-1", progress: "" };
    const inactive = expected.services.map(({ unit }) => ({ unit, active: "inactive", sub: "dead" }));
    const keep = (unit: string): boolean => !/juicefs|exporter|iostat|ray-state/.test(unit);
    const units_ = inactive.map((each) => (keep(each.unit) ? { ...each, active: "active" } : each));
    const down = ["juicefs", "node", "redis"].map((job) => ({ job, node: "node1", error: "refused" }));
    const status = judge({
      meta: { prometheus: { down, failedWrites: 0, storing: true } },
      node1: { units: units_, benchmark, answers: { ...well, mount: false } },
    });
    expect(status.problems).toEqual(["node1: Prometheus cannot scrape the job redis: refused"]);
    const failed = judge({
      node1: {
        units: units_.map((each) => (keep(each.unit) ? each : { ...each, active: "failed" })),
        benchmark,
      },
    });
    expect(failed.problems).toContain("node1: JuiceFS is failed; ./lab logs node1 says why");
  });

  it("does not report extensions that a benchmark's arms stop, and shows the benchmark's progress", () => {
    const benchmark = {
      run: "smoke-1",
      progress: "block 1 of 3, arm ttl, stat: point 4 of 40, about 3:20 left",
    };
    const status = judge({ node1: { extensions: [{ ...fuse, state: "inactive" }], benchmark } });
    expect(status.problems).toEqual([]);
    expect(statusLines(status)).toContain(
      "benchmark smoke-1: block 1 of 3, arm ttl, stat: point 4 of 40, about 3:20 left\n",
    );
  });

  it("ignores the clock of a machine whose clock counts instructions", () => {
    expect(judge({ clockOff: 500 }, { ownClock: true }).problems).toEqual([]);
  });

  it("names the stack in each command, unless it is the default one", () => {
    const { problems } = judge(
      {
        machines: ["not running", running],
        node1: {
          units: units(["ray.service"]),
          answers: { ...well, redis: false },
          extensions: [{ ...fuse, state: "failed" }],
          disk: { free: 15e9, size: 2e10, errors: 7, writable: true },
        },
        meta: { prometheus: { down: null, failedWrites: null, storing: null } },
      },
      { stack: "second", expires: "2026-11-30T09:00:00Z" },
    );
    const commands = problems.flatMap((line) => line.match(/\.\/lab \w+( --stack \w+)?/g) ?? []);
    expect(new Set(commands)).toEqual(
      new Set(["down", "up", "logs"].map((verb) => `./lab ${verb} --stack second`)),
    );
    expect(problems).toContain(
      "node1: the extension fuse has failed; ./lab logs --stack second node1 extensions",
    );
  });

  it("reports that a lab has expired, and what it cost", () => {
    const status = judge({}, { expires: "2026-11-30T09:00:00Z", cost: 1.234 });
    expect(status.problems).toEqual([
      "this lab expired at 2026-11-30T09:00:00Z: ./lab down, then ./lab up for a new one",
    ]);
    expect(statusLines(status)).toContain("which has passed; spent so far: USD 1.23\n");
    expect(statusLines(judge({}, { expires: "2026-11-30T12:30:00Z", cost: "unknown" }))).toContain(
      "in 2 h 30 min; spent so far: not known\n",
    );
  });

  it("is printed as lines of text", () => {
    const text = statusLines(judge({ node1: { answers: { ...well, redis: false } } }));
    expect(text).toMatch(/^NODE +STATE +ROLES +KERNEL +LOAD +MEMORY +DISK\nmeta +running, pid 7/);
    expect(text).toMatch(/^Redis +meta: no answer to node1$/m);
    expect(text).toMatch(/^iostat exporter +active on meta, node1$/m);
    expect(text).toMatch(/^fuse +node1 +active +90 % of 1000$/m);
    expect(text).toMatch(/wrong:\n {2}meta: Redis runs/);
  });

  it("checks on each node its own services and those that it uses", () => {
    const [meta, node1] = expected.nodes.map((node) => questionsFor(node, expected, outputs));
    expect(meta).toMatchObject({
      mountPoint: "",
      redis: "10.77.0.10:6379",
      objects: "",
      prometheus: "10.77.0.10:9090",
    });
    expect(node1).toMatchObject({
      mountPoint: "/mnt/jfs",
      redis: "10.77.0.10:6379",
      objects: "10.77.0.10:8333",
      prometheus: "",
      index: "",
    });
  });

  it.each([
    ["graph", "meta: graph runs, but does not answer node1; ./lab logs meta"],
    ["api", "node1: DisGraFS API runs, but does not answer node1; ./lab logs node1"],
  ])("reports that DisGraFS's %s does not answer", (silent, problem) => {
    const searched = expectedOf("local", { ...outputs, disgrafs: {} });
    const { units: known } = report("node1");
    const all = [...known, ...units(searched.services.map(({ unit }) => unit))];
    const status = judge(
      { meta: { units: all }, node1: { units: all, answers: { ...well, [silent]: false } } },
      searched,
    );
    expect(status.problems).toEqual([problem]);
    expect(questionsFor(searched.nodes[1]!, searched, outputs).api).toBe("10.77.0.11:8088");
    expect(questionsFor(searched.nodes[0]!, searched, outputs).api).toBe("");
  });

  it("expects no services of a lab that has only machines", () => {
    const bare = expectedOf("local", { nodes: outputs.nodes });
    expect(bare.services).toEqual([]);
    expect(questionsFor(bare.nodes[1]!, bare, {})).toMatchObject({ mountPoint: "", redis: "", objects: "" });
  });

  it("fits on the screen", () => {
    const text = onScreen("123456\n2\n3\n4\n5\n", { columns: 4, rows: 5 });
    expect(text).toBe("\x1b[H1234\x1b[K\n2\x1b[K\n3\x1b[K\n... \x1b[K\n\x1b[J");
  });
});

describe("a node's report", () => {
  const folder = mkdtempSync(join(tmpdir(), "status-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const command = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  // Replaces ssh: runs its last argument here, with the programs of this folder in place of the node's.
  command("login", 'exec bash -c "${@: -1}"');
  command("id", "echo 0");
  command(
    "systemctl",
    'case "$*" in *benchmark@*) ;; list-units*) echo "juicefs.service loaded active running JuiceFS" ;; esac',
  );
  command("findmnt", "echo fuse.juicefs");
  command("ls", "sleep 100");
  const options = { cwd: folder, env: { PATH: `${folder}:${process.env.PATH}` } };
  const questions = {
    ...{
      mountPoint: "/mnt/jfs",
      redis: "",
      objects: "127.0.0.1:1",
      api: "127.0.0.1:1",
      prometheus: "127.0.0.1:1",
      index: "",
      taggers: "",
    },
    units: ["juicefs.service"],
  };

  it("comes from the real script: it names a mount that hangs and services that do not answer, and ends in time", async () => {
    const asked = await askNode(join(folder, "login"), questions, options);
    expect(asked).toMatchObject({
      clockOff: 0,
      report: {
        units: [{ unit: "juicefs.service", active: "active", sub: "running" }],
        answers: { mount: false, redis: null, objects: false, api: false, graph: null },
        benchmark: null,
        prometheus: { down: null, failedWrites: null, storing: null },
      },
    });
  }, 60_000);

  /** The report while a server on loopback gives `answer` for a path. */
  async function reportOf(
    answer: (path: string) => { readonly status?: number; readonly body?: unknown },
    over: (address: string) => Partial<Questions>,
  ): Promise<Asked> {
    const server = createServer((request, response) => {
      const { status = 200, body = "" } = answer(request.url ?? "");
      response.statusCode = status;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const asked = { ...questions, mountPoint: "", ...over(`127.0.0.1:${port}`) };
      return await askNode(join(folder, "login"), asked, options);
    } finally {
      server.close();
    }
  }

  it("distinguishes a graph that does not answer from an API that does not", async () => {
    const answer = (path: string): { status: number } => ({ status: path === "/" ? 200 : 503 });
    expect(await reportOf(answer, (api) => ({ api }))).toMatchObject({
      report: { answers: { mount: null, api: true, graph: false } },
    });
  }, 60_000);

  it("names the targets that have not answered Prometheus for half a minute, not one that missed a scrape", async () => {
    const target = (job: string): object => ({
      health: "down",
      labels: { job, instance: `${job}:1`, node: "node1" },
      lastError: "refused",
    });
    const answer = (path: string): { body: unknown } => {
      if (path.startsWith("/api/v1/targets"))
        return { body: { data: { activeTargets: [target("dead"), target("late")] } } };
      if (path.includes("max_over_time"))
        return {
          body: { data: { result: [{ metric: { job: "dead", instance: "dead:1", node: "node1" } }] } },
        };
      if (path.startsWith("/api/v1/query")) return { body: { data: { result: [{ metric: {} }] } } };
      return { body: "prometheus_tsdb_wal_writes_failed_total 0\n" };
    };
    expect(await reportOf(answer, (prometheus) => ({ prometheus }))).toMatchObject({
      report: {
        prometheus: {
          down: [{ job: "dead", node: "node1", error: "refused" }],
          failedWrites: 0,
          storing: true,
        },
      },
    });
  }, 60_000);

  it("is a failure with ssh's last line if ssh fails", async () => {
    command(
      "refused",
      "echo 'Warning: Permanently added x' >&2; echo 'ssh: connect: Connection refused' >&2; exit 255",
    );
    expect(await askNode(join(folder, "refused"), questions, options)).toEqual({
      failure: "ssh: connect: Connection refused",
    });
  });

  it("is a failure if the output is not a report", async () => {
    command("motd", "echo welcome");
    expect(await askNode(join(folder, "motd"), questions, options)).toEqual({
      failure: "its answer is not a report: welcome",
    });
  });

  it("has the clock's deviation, without the time that the query took", () => {
    expect([clockOff(95, 100, 103), clockOff(101, 100, 103), clockOff(110, 100, 103)]).toEqual([-5, 0, 7]);
  });
});
