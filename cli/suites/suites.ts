/** The table of test suites, in the order in which `./lab test` starts them: fast and informative ones first. */
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { nodeFolder } from "../../workshop/checkout.ts";
import { dashboardSchema } from "../setup/dashboardSchema.ts";
import { devVenv } from "../setup/python.ts";
import { fileCounts, oneCheck, tapCounts, type Counter } from "./counts.ts";

export interface Suite {
  readonly name: string;
  /** What it is, for the table of `./lab test --list`. */
  readonly what: string;
  /** Program and arguments; REPORT stands for the file that the counter reads afterwards. */
  readonly command: readonly [string, ...string[]];
  readonly counter: Counter;
  /** After this many minutes it is ended and has failed. */
  readonly minutes: number;
  /** Folder of the checkout that it runs in; the root when left out. */
  readonly folder?: string;
  /** It takes names of test files as further arguments, to run only these. */
  readonly byFile?: true;
  /** Runs only when `--only` names it. */
  readonly onlyByName?: true;
  /** How many cores it keeps busy: suites run side by side as long as the machine has that many. Default: 1. */
  readonly cores?: number;
}

const node = join(nodeFolder, "node");
const python = (...args: string[]): [string, ...string[]] => [join(devVenv, "bin", "python"), ...args];

/**
 * Test files with machines of their own that run side by side: one more than there are cores, since a machine waits now and
 * then, where there is memory for them and for what they build.
 */
const machines = Math.max(1, Math.min(availableParallelism() + 1, Math.floor(totalmem() / (7.5 * 2 ** 30))));

const jest = (name: string, what: string, minutes: number, workers: number): Suite => ({
  name,
  what,
  command: [
    node,
    "--experimental-vm-modules",
    "--disable-warning=ExperimentalWarning",
    "node_modules/jest/bin/jest.js",
    `--selectProjects=${name}`,
    `--maxWorkers=${workers}`,
    "--json",
    "--outputFile=REPORT",
  ],
  counter: fileCounts,
  minutes,
  byFile: true,
  cores: workers,
});

/** Python projects of the repository: folders with a pyproject.toml. What is below bpf/ runs in virtual machines only. */
const pythonProjects = [
  { folder: "benchmarks/runner", pytest: true },
  { folder: "bpf", pytest: false },
  { folder: "disgrafs", pytest: true },
];

function pythonSuites({ folder, pytest }: { folder: string; pytest: boolean }): Suite[] {
  const name = folder.split("/").at(-1) ?? folder;
  const check = '"$0" -m ruff check . && "$0" -m ruff format --check . && "$0" -m mypy';
  const lint: Suite = {
    name: `${name}-lint`,
    what: `ruff and mypy of ${folder}`,
    command: ["bash", "-c", check, ...python()],
    counter: oneCheck,
    minutes: 5,
    folder,
  };
  if (!pytest) return [lint];
  return [
    lint,
    {
      name: `${name}-pytest`,
      what: `pytest of ${folder}`,
      command: python("-m", "pytest", "-q", "-o", "junit_family=xunit1", "--junitxml=REPORT"),
      counter: fileCounts,
      minutes: 10,
      folder,
      byFile: true,
    },
  ];
}

export const suites: readonly Suite[] = [
  {
    name: "lint",
    what: "types, eslint, prettier, shellcheck",
    command: ["npm", "run", "--silent", "lint"],
    counter: oneCheck,
    minutes: 10,
  },
  // Early: it takes as long as all that needs neither it nor a machine, and so runs beside them.
  jest("engine", "a real Pulumi engine, no machine", 15, 1),
  jest("unit", "nothing but Node.js", 15, Math.ceil(availableParallelism() / 2)),
  ...pythonProjects.flatMap(pythonSuites),
  {
    name: "dashboards",
    what: "the Grafana dashboards, with the strict parser of Grafana's SDK",
    command: [
      "bash",
      "-c",
      'set -o pipefail; "$0" provisioning/monitoring/grafana/dashboards/*.json | tee REPORT',
      dashboardSchema,
    ],
    counter: tapCounts,
    minutes: 2,
  },
  {
    name: "model",
    what: "the FUSE extension's protocol, every state of it, with each rule and without (spin)",
    command: ["bash", "-c", "set -o pipefail; bpf/fuse/model/run.sh | tee REPORT"],
    counter: tapCounts,
    minutes: 15,
  },
  jest("sshd", "the command plugin against a real OpenSSH server on loopback", 15, 1),
  jest("browser", "the report and the page of DisGraFS in a headless Chromium", 10, 1),
  jest("vm", "one local machine", 60, machines),
  { ...jest("lab", "a whole lab: up, used, up again, down, nothing left", 60, 1), cores: 2 },
  {
    name: "mutation",
    what: "small changes of modules that compute, which their unit tests have to notice (StrykerJS); by name only",
    command: ["bash", "-c", 'set -o pipefail; "$0" tests/mutation/run.ts | tee REPORT', node],
    counter: tapCounts,
    minutes: 120,
    onlyByName: true,
  },
  { ...jest("long", "local machines for longer than CI has; by name only", 120, 1), onlyByName: true },
];
