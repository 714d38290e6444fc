/**
 * A monitored lab with everything that one machine can have: each query of each panel returns series while the mount is used, `./lab
 * status`, `open` and `logs` show the services, and a benchmark with the arm `monitoring` keeps its metrics.
 */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { readMetrics } from "../benchmarks/metrics.ts";
import { recordSchema } from "../benchmarks/record.ts";
import { extensionNames } from "../bpf/table.ts";
import type { LabStatus } from "../cli/status/labStatus.ts";
import { panels, type Query } from "../provisioning/monitoring/panels.ts";
import { stackFolder } from "../stacks/local/paths.ts";
import { checkout } from "../workshop/checkout.ts";
import { filesBelow } from "../workshop/files.ts";
import { launchBrowser } from "./support/browser.ts";
import {
  lab,
  labForPrograms,
  onNode,
  openPage,
  pulumi,
  removeStack,
  story,
  succeed,
  upWith,
} from "./support/lab.ts";

// ./lab test recognises a test's stack by this name, and removes it after a killed test.
const stack = `labtest-${process.pid}`;
const node = "node1";
const minutes = (count: number): number => count * 60_000;
const on = (script: string): Promise<string> => onNode(stack, node, script);
const { step } = story();

/** Packets only come from other machines. */
const extensions = extensionNames.filter((name) => name !== "packet-dma");
const isHere = ({ expr }: Query): boolean => !expr.includes("disgrafs_packets_");
const ofBenchmark = panels.filter(({ section }) => section === "Benchmark");
const ofLab = panels.filter(({ section, queries }) => section !== "Benchmark" && queries.some(isHere));

/** Runs a `./lab` command that does not end by itself, and passes on its lines. */
async function whileRunning<T>(
  args: string[],
  use: (lines: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const child = spawn(join(checkout, "lab"), [...args, "--stack", stack], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    return await use(async () => {
      const next = await lines.next();
      if (next.done) throw new Error(`./lab ${args.join(" ")} has ended`);
      return next.value;
    });
  } finally {
    child.kill("SIGINT");
    await ended;
  }
}

/** Uses one of the lab's pages while `./lab open` provides it. */
async function whileOpen(page: string, use: (address: string) => Promise<void>): Promise<void> {
  const { address, close } = await openPage(stack, page);
  try {
    await use(address);
  } finally {
    await close();
  }
}

const answerSchema = z.object({
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
});

/**
 * What is wrong with Prometheus's answer to a query over the last ten minutes; undefined if nothing is. A range, as in the charts,
 * because on a busy machine Prometheus sometimes misses a scrape.
 */
async function faultOf(prometheus: string, { expr, legend }: Query): Promise<string | undefined> {
  const end = Math.floor(Date.now() / 1000);
  const window = { query: expr, start: String(end - 600), end: String(end), step: "5" };
  const answer = await fetch(`${prometheus}api/v1/query_range?${new URLSearchParams(window).toString()}`);
  const { data } = answerSchema.parse(await answer.json());
  if (data.result.length === 0) return `no series: ${expr}`;
  const wanted = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? "");
  for (const { metric } of data.result) {
    const missing = wanted.filter((label) => (metric[label] ?? "") === "");
    if (missing.length > 0) return `no label ${missing.join(", ")} in ${JSON.stringify(metric)}: ${expr}`;
    const machine = metric.node ?? metric.member ?? node;
    if (machine !== node) return `of ${machine}, which is no node of the lab: ${expr}`;
  }
  return undefined;
}

/** Repeats the queries until all have an answer, or until no further one gets one for five minutes. Returns the remaining faults. */
async function faultsOf(prometheus: string, queries: readonly Query[]): Promise<string[]> {
  let left = [...queries];
  let faults: string[] = [];
  let since = Date.now();
  while (left.length > 0 && Date.now() - since < minutes(5)) {
    const answers = [];
    for (const query of left) answers.push({ query, fault: await faultOf(prometheus, query) });
    const still = answers.filter(({ fault }) => fault !== undefined);
    if (still.length < left.length) since = Date.now();
    left = still.map(({ query }) => query);
    faults = still.map(({ fault }) => fault ?? "");
    if (left.length > 0) await sleep(3000);
  }
  return faults;
}

async function statusNow(): Promise<LabStatus> {
  return JSON.parse((await labForPrograms("status", "--stack", stack, "--json")).output) as LabStatus;
}

/** Work for every figure that leaves most of an emulated machine's little CPU time to the tested services. */
const work = `
i=0
mkdir -p /mnt/jfs/load
while [ -d /mnt/jfs/load ]; do
  i=$((i + 1))
  echo "$i words of the load" >/mnt/jfs/load/text-$((i % 4)).txt
  [ $((i % 4)) -ne 0 ] || printf '%%PDF-1.7 broken %s' $i >/mnt/jfs/load/broken.pdf
  cat /mnt/jfs/load/text-*.txt
  stat /mnt/jfs/load/*
  stat /mnt/jfs/load/*
  sync
  sleep 5
done >/dev/null`;

describe("a watched lab with everything on one machine", () => {
  afterAll(async () => {
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up",
    async () => {
      await upWith(stack, [
        ...[
          "topology=single",
          "benchmark=none",
          "monitoring=true",
          "rayMetrics=true",
          "grafana=off",
          "disgrafs=true",
        ],
        ...extensions.map((name) => `extensions.${name}.required=true`),
      ]);
    },
    minutes(40),
  );

  step(
    "returns series with the legend's labels for each query of each panel while the mount is used",
    async () => {
      await on(`cat >/run/work.sh <<'END'\n${work}\nEND\nsystemd-run -q --unit=work bash /run/work.sh`);
      const queries = ofLab.flatMap((panel) => panel.queries).filter(isHere);
      await whileOpen("prometheus", async (address) => {
        expect(await faultsOf(address, queries)).toEqual([]);
      });
    },
    minutes(20),
  );

  step(
    "is shown by its page: each panel has lines, and the browser reports no errors",
    async () => {
      await whileOpen("dashboard", async (address) => {
        const browser = await launchBrowser();
        try {
          const page = await browser.newPage();
          page.setDefaultTimeout(180_000);
          const faults: string[] = [];
          page.on("console", (message) => {
            if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
          });
          page.on("pageerror", (error) => faults.push(error.message));
          await page.goto(address);
          const drawn = page.locator("article", { has: page.locator("canvas") });
          await drawn.nth(ofLab.length - 1).waitFor({ state: "attached" });
          await page.locator("#state", { hasText: /: 1 node$/ }).waitFor();
          expect(await drawn.locator("h3").allTextContents()).toEqual(ofLab.map(({ title }) => title));
          expect(await page.locator(".chart.empty").allTextContents()).toEqual(
            panels.filter((each) => !ofLab.includes(each)).map(({ needs }) => `no data yet: needs ${needs}`),
          );
          expect(faults).toEqual([]);
        } finally {
          await browser.close();
        }
      });
    },
    minutes(15),
  );

  step(
    "reports a page that it does not have",
    async () => {
      const grafana = await lab("open", "grafana", "--print", "--stack", stack);
      expect(grafana).toMatchObject({
        exitCode: 1,
        output: expect.stringMatching(
          /the lab has no Grafana: .*; \.\/lab open --stack .* draws the same panels/,
        ) as string,
      });
    },
    minutes(5),
  );

  step(
    "has no problems in its status, as text, as JSON and with --watch",
    async () => {
      const printed = await succeed("status", "--stack", stack);
      expect(printed).toMatch(/\nall is well\n?$/);
      const found = await statusNow();
      expect(found).toMatchObject({ ok: true, problems: [], benchmark: null, disgrafs: {} });
      expect(found.services.filter(({ state }) => state !== "active")).toEqual([]);
      const services = found.services.map(({ service }) => service);
      for (const service of [
        "Prometheus",
        "node exporter",
        "iostat exporter",
        "Redis exporter",
        "Ray's state",
      ])
        expect(services).toContain(service);
      expect(found.extensions.map(({ extension, state }) => `${extension} ${state}`).sort()).toEqual(
        extensions.map((name) => `${name} active`).sort(),
      );
      await whileRunning(["status", "--watch", "--json"], async (lines) => {
        const looks = [await lines(), await lines()].map((line) => JSON.parse(line) as LabStatus);
        expect(looks.map(({ ok }) => ok)).toEqual([true, true]);
        expect(looks[1]!.at > looks[0]!.at).toBe(true);
      });
    },
    minutes(10),
  );

  step(
    "shows the logs of its services",
    async () => {
      const all = await succeed("logs", node, "--stack", stack, "--lines", "1000");
      for (const program of ["juicefs", "redis", "prometheus"]) expect(all).toContain(` ${program}`);
      const own = await succeed("logs", node, "monitoring", "--stack", stack);
      expect(own).toMatch(/prometheus-node-exporter\[\d+\]/);
      expect(own).not.toMatch(/ juicefs\[\d+\]/);
    },
    minutes(5),
  );

  step(
    "measures the cost of monitoring, shows the run's progress, and keeps its metrics",
    async () => {
      await on("systemctl stop work; rm -r /mnt/jfs/load");
      const bench = lab("bench", "smoke", "--arms", "monitoring", "--stack", stack);
      const ended = bench.then(() => true);
      const seen = { status: false, faults: ["never asked"] };
      await whileOpen("prometheus", async (address) => {
        // The exporter with the benchmark's progress runs only in the arm's own turns.
        while (!(await Promise.race([ended, sleep(1000, false)]))) {
          seen.status ||= (await statusNow()).benchmark !== null;
          if (seen.faults.length === 0) continue;
          const answers = [];
          for (const query of ofBenchmark.flatMap(({ queries }) => queries))
            answers.push(await faultOf(address, query));
          seen.faults = answers.filter((fault) => fault !== undefined);
        }
      });
      const { exitCode, output } = await bench;
      expect(exitCode === 0 ? "" : output.slice(-4000)).toBe("");
      expect(seen).toEqual({ status: true, faults: [] });
      const { path } = JSON.parse(await pulumi("stack", "output", "benchmarkRun", "--json", "-s", stack)) as {
        path: string;
      };
      const folder = join(checkout, path);
      const counts = proofsIn(folder);
      expect(counts.length).toBeGreaterThan(0);
      expect(counts).not.toContain(0);
      const metrics = readMetrics(folder);
      expect(metrics?.panels.map(({ title }) => title)).toEqual(
        expect.arrayContaining(["CPU in use", "FUSE operations", "Requests (r/s, w/s, d/s, f/s)"]),
      );
      expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("Requests (r/s, w/s, d/s, f/s)");
      // After the run, the lab is monitored as before.
      await whileOpen("prometheus", async (address) => {
        expect(await faultsOf(address, panels[0]!.queries)).toEqual([]);
      });
      expect((await statusNow()).problems).toEqual([]);
    },
    minutes(60),
  );

  step(
    "goes down, and nothing is left",
    async () => {
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
      expect(existsSync(stackFolder(stack))).toBe(false);
    },
    minutes(10),
  );
});

/** The counts with which the arm `monitoring` was proven, before and after each point on the mount. */
function proofsIn(folder: string): number[] {
  return filesBelow(join(folder, "raw", "points"))
    .filter((file) => file.endsWith("point.json"))
    .map((file) => recordSchema.parse(JSON.parse(readFileSync(file, "utf8"))))
    .filter(({ arm }) => arm === "monitoring")
    .flatMap(({ clients }) => Object.values(clients))
    .flatMap(({ proof }) => (proof?.before.mount ? [proof.before, proof.after] : []))
    .map(({ script }) => script?.count ?? 0);
}
