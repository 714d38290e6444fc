/**
 * `node benchmarks/simulation/main.ts [share [pattern]]`: measures the error rate and the power of verdicts, and prints the tables
 * of docs/benchmarks.md whose titles match. Takes minutes on two cores; with a share of 0.1, a tenth of the runs and of the time.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { lognormal, noiseModels, noiseNames, scaled, type NoiseName } from "./noise.ts";
import {
  coverage,
  differences,
  equalities,
  falseDifferences,
  foundAtSmallest,
  marginFactor,
  oldFalseDifferences,
  oldPower,
  power,
  whenStopped,
  type Table,
} from "./simulate.ts";

/** One cell of a table, as it is sent to a thread. */
interface Task {
  readonly what: keyof typeof measures;
  readonly noise: NoiseName;
  readonly table: Table;
  readonly value: number;
  readonly runs: number;
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

const factor = (value: number): string => value.toFixed(2);

const measures = {
  falseDifferences: ({ table, noise, runs }: Task) =>
    percent(falseDifferences(table, noiseModels[noise], runs)),
  oldFalseDifferences: ({ table, noise, runs }: Task) =>
    percent(oldFalseDifferences(table, noiseModels[noise], runs)),
  equal: ({ table, value, runs }: Task) =>
    percent(equalities({ ...table, figures: 1 }, lognormal(value), 1, runs)),
  notEqual: ({ table, value, runs }: Task) =>
    percent(equalities(table, lognormal(value), marginFactor, runs)),
  /** With a tenth of the noise, because with all of it no row is found equal. */
  notEqualAnyNoise: ({ table, noise, runs }: Task) =>
    percent(equalities(table, scaled(noiseModels[noise], 0.1), marginFactor, runs)),
  coverage: ({ value, noise, runs }: Task) => percent(coverage(value, noiseModels[noise], runs)),
  power: ({ table, noise, value, runs }: Task) => {
    const { found, blocks } = power(table, noiseModels[noise], value, runs);
    return table.looks.length > 1 ? `${percent(found)}, ${blocks.toFixed(0)} blocks` : percent(found);
  },
  /** `value` is the noise; every arm is 4 % off, within the margin. */
  withinMargin: ({ table, value, runs }: Task) => percent(differences(table, lognormal(value), 1.04, runs)),
  foundAtSmallest: ({ table, noise, runs }: Task) =>
    percent(foundAtSmallest(table, noiseModels[noise], runs)),
  stopped: ({ table, noise, value, runs }: Task) => {
    const {
      share,
      coverage: early,
      estimate,
      coverageOfAll,
    } = whenStopped(table, noiseModels[noise], value, runs);
    return `${percent(share)}; ${factor(estimate)}; ${percent(early)}; ${percent(coverageOfAll)}`;
  },
  oldPower: ({ table, noise, value, runs }: Task) =>
    percent(oldPower(table.looks[0] ?? 0, noiseModels[noise], value, runs)),
} as const;

const until = [10, 15, 20, 30];
const tableOf = (arms: number, looks: readonly number[]): Table => ({ figures: 29, arms, looks });
const times = Number(process.argv[2] ?? 1);
const runs = (count: number): number => Math.max(20, Math.round(count * times));

interface Column {
  readonly title: string;
  readonly what: Task["what"];
  readonly table: Table;
  readonly value?: number;
  readonly runs: number;
}

/** A table with a row for each kind of noise. */
function byNoise(title: string, columns: readonly Column[]): Section {
  return {
    title,
    head: ["Noise", ...columns.map((column) => column.title)],
    rows: noiseNames.map((noise) => ({
      title: noiseModels[noise].title,
      cells: columns.map(({ what, table, value = 0, runs: count }) => ({
        what,
        noise,
        table,
        value,
        runs: count,
      })),
    })),
  };
}

interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly { readonly title: string; readonly cells: readonly Task[] }[];
}

const sections: readonly Section[] = [
  byNoise("Runs with any false difference (no arm differs)", [
    {
      title: "old rule, 29 rows, 10 blocks",
      what: "oldFalseDifferences",
      table: tableOf(1, [10]),
      runs: runs(200),
    },
    { title: "29 rows, 10 blocks", what: "falseDifferences", table: tableOf(1, [10]), runs: runs(2000) },
    { title: "29 rows, 30 blocks", what: "falseDifferences", table: tableOf(1, [30]), runs: runs(1000) },
    {
      title: "29 rows, looks at 10, 15, 20, 30",
      what: "falseDifferences",
      table: tableOf(1, until),
      runs: runs(2000),
    },
    { title: "290 rows, 10 blocks", what: "falseDifferences", table: tableOf(10, [10]), runs: runs(2000) },
    { title: "290 rows, looks", what: "falseDifferences", table: tableOf(10, until), runs: runs(1000) },
  ]),
  byNoise(
    "95 % intervals that hold the true ratio",
    [8, 10, 30].map((blocks) => ({
      title: `${blocks} blocks`,
      what: "coverage" as const,
      table: tableOf(1, [blocks]),
      value: blocks,
      runs: runs(10_000),
    })),
  ),
  {
    title: "A row of a table found better, at 30 % lognormal noise",
    head: [
      "True ratio",
      "old rule, 10 blocks",
      "29 rows, 10 blocks",
      "29 rows, 15 blocks",
      "29 rows, 30 blocks",
      "29 rows, looks",
      "290 rows, looks",
    ],
    rows: [1.1, 1.35, 1.57, 1.82].map((ratio) => ({
      title: String(ratio),
      cells: [
        { what: "oldPower", table: tableOf(1, [10]) } as const,
        ...[tableOf(1, [10]), tableOf(1, [15]), tableOf(1, [30]), tableOf(1, until), tableOf(10, until)].map(
          (table) => ({ what: "power", table }) as const,
        ),
      ].map((cell) => ({ ...cell, noise: "lognormal", value: ratio, runs: runs(1000) })),
    })),
  },
  {
    title: "“No difference beyond ±5 %”",
    head: [
      "Lognormal noise",
      "one row, equal: found, 10 blocks",
      "30 blocks",
      "looks",
      "29 rows, all 5 % off: runs with a false one, looks",
    ],
    rows: [0.01, 0.02, 0.05, 0.1].map((deviation) => ({
      title: percent(deviation),
      cells: [
        ...[[10], [30], until].map(
          (looks) => ({ what: "equal", table: { ...tableOf(1, looks), figures: 29 } }) as const,
        ),
        { what: "notEqual", table: tableOf(1, until) } as const,
      ].map((cell) => ({ ...cell, noise: "lognormal", value: deviation, runs: runs(1000) })),
    })),
  },
  {
    title: "All 29 rows 4 % off, within the margin of 5 %: runs with any row called a difference",
    head: ["Lognormal noise", "10 blocks", "looks at 10, 15, 20, 30"],
    rows: [0.01, 0.02, 0.05, 0.3].map((deviation) => ({
      title: percent(deviation),
      cells: [[10], until].map((looks) => ({
        what: "withinMargin" as const,
        noise: "lognormal" as const,
        table: tableOf(1, looks),
        value: deviation,
        runs: runs(200),
      })),
    })),
  },
  byNoise("Found, if the true factor is the smallest detectable one of an earlier run (29 rows)", [
    { title: "10 blocks", what: "foundAtSmallest", table: tableOf(1, [10]), runs: runs(1000) },
    { title: "30 blocks", what: "foundAtSmallest", table: tableOf(1, [30]), runs: runs(400) },
  ]),
  {
    title:
      "Runs that end when their row is decided (lognormal noise of 30 %): decided at 10 blocks; median ratio of these; " +
      "their intervals that hold the truth; intervals of all runs, where they ended",
    head: ["True ratio", "looks at 10, 15, 20, 30"],
    rows: [1.2, 1.35, 1.57, 1.82].map((ratio) => ({
      title: String(ratio),
      cells: [
        { what: "stopped", noise: "lognormal", table: tableOf(1, until), value: ratio, runs: runs(1000) },
      ] as const,
    })),
  },
  byNoise("Runs with any false “no difference” (29 rows, all 5 % off; a tenth of each noise)", [
    { title: "10 blocks", what: "notEqualAnyNoise", table: tableOf(1, [10]), runs: runs(400) },
    {
      title: "looks at 10, 15, 20, 30",
      what: "notEqualAnyNoise",
      table: tableOf(1, until),
      runs: runs(400),
    },
  ]),
];

/** Results by task, computed in threads. */
async function workOut(tasks: readonly Task[]): Promise<Map<Task, string>> {
  const answers = new Map<Task, string>();
  const left = [...tasks];
  const thread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: "worker",
        argv: process.argv.slice(2),
      });
      let current: Task | undefined;
      const next = (): void => {
        current = left.shift();
        if (current) worker.postMessage(current);
        else void worker.terminate().then(() => resolve());
      };
      worker.on("message", (answer: string) => {
        if (current) answers.set(current, answer);
        process.stderr.write(`\r${answers.size} of ${tasks.length} cells`);
        next();
      });
      worker.once("error", reject);
      next();
    });
  await Promise.all(Array.from({ length: Math.min(tasks.length, availableParallelism()) }, thread));
  process.stderr.write("\n");
  return answers;
}

async function main(): Promise<void> {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const wanted = new RegExp(process.argv[3] ?? "");
  for (const { title, head, rows } of sections.filter((section) => wanted.test(section.title))) {
    const answers = await workOut(rows.flatMap(({ cells }) => cells));
    process.stdout.write(`\n${title}\n\n${line(head)}${line(head.map(() => "---"))}`);
    for (const row of rows)
      process.stdout.write(line([row.title, ...row.cells.map((cell) => answers.get(cell) ?? "")]));
    const counts = rows[0]?.cells.map(({ runs: count }) => count) ?? [];
    process.stdout.write(`\nSimulated runs, by column: ${counts.join(", ")}\n`);
  }
}

if (isMainThread) await main();
else if (workerData === "worker")
  parentPort?.on("message", (task: Task) => parentPort?.postMessage(measures[task.what](task)));
