/** Combines and judges the reports of a lab's nodes: `./lab status --json` prints the result. */
import { labCommand } from "../../stacks/labCommand.ts";
import type { Node } from "../nodes.ts";
import { clockTolerance } from "./clock.ts";
import type { Asked, NodeReport } from "./nodeReport.ts";

export interface ServiceStatus {
  readonly service: string;
  readonly node: string;
  /** systemd's state of the unit, or "not there". */
  readonly state: string;
  /** Nodes that got no answer from it. */
  readonly unanswered: readonly string[];
}

export interface NodeStatus {
  readonly name: string;
  readonly roles: readonly string[];
  readonly kernel: string;
  /** State of the machine according to QEMU or EC2. */
  readonly machine: string;
  readonly load?: number;
  readonly cpus?: number;
  /** From 0 to 1. */
  readonly memoryUsed?: number | null;
  readonly diskUsed?: number;
  readonly diskFree?: number;
}

export interface ExtensionStatus {
  readonly extension: string;
  readonly node: string;
  readonly state: string;
  /** Share of the requests that it answered, from 0 to 1; null if it counts none. */
  readonly hitRatio: number | null;
  readonly asked: number | null;
}

export interface LabStatus {
  readonly stack: string;
  /** ISO 8601. */
  readonly at: string;
  readonly ok: boolean;
  /** One line per problem, with the node and what to do. */
  readonly problems: readonly string[];
  readonly nodes: readonly NodeStatus[];
  readonly services: readonly ServiceStatus[];
  readonly extensions: readonly ExtensionStatus[];
  readonly benchmark: { readonly node: string; readonly run: string; readonly progress: string } | null;
  readonly disgrafs: {
    readonly behind: number | null;
    readonly files: Readonly<Record<string, number>>;
  } | null;
  /** ISO 8601; only of a lab that expires. */
  readonly expires?: string;
  /** USD so far, of a lab that costs money. */
  readonly cost?: number | "unknown";
}

/** What the last `up` created, and what should therefore exist now. */
export interface Expected {
  readonly stack: string;
  readonly nodes: readonly Node[];
  /** Services by unit and role. */
  readonly services: readonly ExpectedService[];
  /** Extensions that are kept loaded. */
  readonly extensions: readonly { readonly extension: string; readonly node: string }[];
  /** The machines' clocks do not follow real time (setting `clock`). */
  readonly ownClock: boolean;
  /** `./lab up` sets the machines' clocks. */
  readonly setsClocks: boolean;
  readonly expires?: string;
  readonly cost?: number | "unknown";
}

export interface ExpectedService {
  readonly service: string;
  readonly unit: string;
  readonly roles: readonly string[];
  /** The question of a node's report that it answers. */
  readonly answers?: keyof NodeReport["answers"];
}

interface Known {
  readonly expected: Expected;
  /** In the order of the nodes. */
  readonly machines: readonly string[];
  readonly asked: readonly Asked[];
  readonly now: Date;
  /** Free bytes where the machines' disks are. Undefined: not on this computer. */
  readonly freeHere?: number;
}

/** Seconds. A loader writes its metrics every 15 s. */
const oldFigures = 90;
const fullDisk = 0.95;
/** Bytes below which this computer's disk is called full: machines write tens of MiB a minute. */
const fullHere = 2 ** 30;

/** Whether a state from machineState or ec2States means that the machine is running. */
export const runs = (machine: string): boolean => /^running(,|$)(?! but)/.test(machine);

/** The full command line of a command on the lab, to paste. */
type Commands = (command: string) => string;
const commandsOf =
  ({ stack }: Expected): Commands =>
  (command) =>
    labCommand(stack, command);

export function labStatus(known: Known): LabStatus {
  const { expected, machines, asked, now } = known;
  const lab = commandsOf(expected);
  const reports = new Map(
    expected.nodes.flatMap(({ name }, index) => {
      const answer = asked[index];
      return answer && "report" in answer ? [[name, answer] as const] : [];
    }),
  );
  const services = servicesOf(expected, reports);
  const extensions = extensionsOf(expected, reports);
  const benchmarks = [...reports].flatMap(([node, { report }]) =>
    report.benchmark ? [{ node, ...report.benchmark }] : [],
  );
  const problems = [
    ...(expected.expires !== undefined && Date.parse(expected.expires) <= now.getTime()
      ? [`this lab expired at ${expected.expires}: ${lab("down")}, then ${lab("up")} for a new one`]
      : []),
    ...diskProblems(known),
    ...expected.nodes.flatMap(({ name }, index) => nodeProblems(known, name, machines[index], asked[index])),
    ...services.flatMap((service) => serviceProblems(service, benchmarks.length > 0, lab)),
    ...[...reports].flatMap(([node, { report }]) => watchProblems(node, report, benchmarks.length > 0, lab)),
    ...extensionProblems(expected, extensions, reports),
  ];
  return {
    stack: expected.stack,
    at: now.toISOString(),
    ok: problems.length === 0,
    problems,
    nodes: expected.nodes.map((node, index) => ({
      name: node.name,
      roles: node.roles,
      kernel: node.kernel,
      machine: machines[index] ?? "not known",
      ...figures(reports.get(node.name)?.report),
    })),
    services,
    extensions,
    benchmark: benchmarks[0] ?? null,
    disgrafs:
      [...reports.values()].map(({ report }) => report.disgrafs).find((each) => each !== null) ?? null,
    ...(expected.expires !== undefined && { expires: expected.expires }),
    ...(expected.cost !== undefined && { cost: expected.cost }),
  };
}

type Reports = ReadonlyMap<string, { readonly report: NodeReport; readonly clockOff: number }>;

function figures(report: NodeReport | undefined): Partial<NodeStatus> {
  if (!report) return {};
  const { load, cpus, memoryUsed, disk } = report;
  return { load, cpus, memoryUsed, diskUsed: 1 - disk.free / disk.size, diskFree: disk.free };
}

/** Every service on every node that should have it, if that node answers. */
function servicesOf(expected: Expected, reports: Reports): ServiceStatus[] {
  return expected.services.flatMap(({ service, unit, roles, answers }) =>
    expected.nodes
      .filter((node) => node.roles.some((role) => roles.includes(role)))
      .flatMap(({ name }) => {
        const report = reports.get(name)?.report;
        if (!report) return [];
        const found = report.units.find((each) => each.unit === unit);
        const state = found?.active ?? "not there";
        // A mount serves its own client; Redis and the object store serve every node.
        const askers = answers === "mount" ? [name] : [...reports.keys()];
        const unanswered = answers
          ? askers.filter((asker) => reports.get(asker)?.report.answers[answers] === false)
          : [];
        return [{ service, node: name, state, unanswered }];
      }),
  );
}

/** Services that the arms of a benchmark stop and start: the clients' mounts and exporters. */
const switched = ["JuiceFS", "node exporter", "iostat exporter", "Ray's state"];
const switchedJobs = ["juicefs", "node", "ray"];

function serviceProblems(
  { service, node, state, unanswered }: ServiceStatus,
  inBenchmark: boolean,
  lab: Commands,
): string[] {
  if (inBenchmark && switched.includes(service) && !/^(failed|not there)$/.test(state)) return [];
  if (state !== "active") {
    const why =
      state === "not there"
        ? `is missing; ${lab("up")} creates it`
        : `is ${state}; ${lab(`logs ${node}`)} says why`;
    return [`${node}: ${service} ${why}`];
  }
  if (unanswered.length === 0) return [];
  return [`${node}: ${service} runs, but does not answer ${unanswered.join(", ")}; ${lab(`logs ${node}`)}`];
}

/** A machine's disk is a sparse file: a write that finds no room fails inside the machine, as on a broken disk. */
function diskProblems({ freeHere = Infinity }: Known): string[] {
  if (freeHere >= fullHere) return [];
  return [
    `this computer: only ${Math.floor(freeHere / 2 ** 20)} MiB are free on the disk that holds the machines' disks; without space, ` +
      "writes in the machines fail. Free some space, then ask again: the status names each machine that must be restarted",
  ];
}

function nodeProblems(known: Known, name: string, machine = "", answer: Asked | undefined): string[] {
  const lab = commandsOf(known.expected);
  if (!runs(machine)) return [`${name}: the machine is ${machine}; ${lab("up")} restarts local machines`];
  if (!answer) return [];
  if ("failure" in answer) {
    const line = `${name}: no answer by ssh: ${answer.failure}`;
    if (!answer.diskErrors) return [line];
    return [`${line}; ${diskFailed(`${answer.diskErrors} requests to its disk failed`, machine, name, lab)}`];
  }
  const { report, clockOff } = answer;
  const lines = [];
  if (!known.expected.ownClock && Math.abs(clockOff) > clockTolerance) {
    const way = clockOff > 0 ? "ahead of" : "behind";
    lines.push(
      `${name}: its clock is ${Math.abs(clockOff).toFixed(0)} s ${way} this computer's: times of different nodes cannot be compared` +
        (known.expected.setsClocks ? `; ${lab("up")} sets it` : ""),
    );
  }
  if (!report.disk.writable || report.disk.errors > 0) {
    const what = report.disk.writable
      ? `${report.disk.errors} requests to its disk failed`
      : "its disk has failed, and is read-only";
    lines.push(`${name}: ${diskFailed(what, machine, name, lab)}`);
  }
  if (1 - report.disk.free / report.disk.size > fullDisk) {
    lines.push(`${name}: its disk is full (${Math.floor(report.disk.free / 2 ** 20)} MiB free)`);
  }
  return lines;
}

/** A machine on this computer is ended from outside: with a failed disk, it may not be able to reboot. */
function diskFailed(what: string, machine: string, name: string, lab: Commands): string {
  const pid = /pid (\d+)/.exec(machine)?.[1];
  const restart = pid ? `kill ${pid}` : lab(`ssh ${name} -- systemctl reboot --force`);
  return (
    `${what}, as when this computer's disk is full. Free some space, then restart it: ${restart}, ` +
    `then ${lab("up")}`
  );
}

/** Problems that Prometheus reports about its targets and about itself. */
function watchProblems(
  node: string,
  { prometheus }: NodeReport,
  inBenchmark: boolean,
  lab: Commands,
): string[] {
  if (!prometheus) return [];
  const log = lab(`logs ${node} monitoring`);
  if (prometheus.down === null || prometheus.failedWrites === null) {
    return [`${node}: Prometheus does not answer; ${log}`];
  }
  const lines = prometheus.down
    .filter(({ job }) => !(inBenchmark && switchedJobs.includes(job)))
    .map(({ job, node: target, error }) => `${target}: Prometheus cannot scrape the job ${job}: ${error}`);
  if (prometheus.storing === false) {
    lines.push(
      `${node}: Prometheus is not storing samples: is its disk full, or has its clock jumped? ${log}`,
    );
  }
  if (prometheus.failedWrites > 0) {
    lines.push(
      `${node}: Prometheus could not write ${prometheus.failedWrites} times since it started: is its disk full? ${log}`,
    );
  }
  return lines;
}

function extensionsOf(expected: Expected, reports: Reports): ExtensionStatus[] {
  return [...reports].flatMap(([node, { report }]) =>
    report.extensions.map(({ name, state, asked, hits }) => ({
      extension: name,
      node,
      state,
      asked,
      hitRatio: asked !== null && hits !== null && asked > 0 ? hits / asked : null,
    })),
  );
}

function extensionProblems(
  expected: Expected,
  found: readonly ExtensionStatus[],
  reports: Reports,
): string[] {
  const lab = commandsOf(expected);
  // While a benchmark runs, its arms start and stop extensions.
  if ([...reports.values()].some(({ report }) => report.benchmark)) return [];
  return [
    ...found
      .filter(({ state }) => state === "failed")
      .map(
        ({ extension, node }) =>
          `${node}: the extension ${extension} has failed; ${lab(`logs ${node} extensions`)}`,
      ),
    ...expected.extensions
      .filter(({ node }) => reports.has(node))
      .filter(
        ({ extension, node }) =>
          !found.some(
            (each) =>
              each.extension === extension && each.node === node && /^(active|failed)$/.test(each.state),
          ),
      )
      .map(
        ({ extension, node }) => `${node}: the extension ${extension} is not loaded; ${lab("up")} loads it`,
      ),
    ...[...reports].flatMap(([node, { report }]) =>
      report.extensions
        .filter(({ state, figuresAge }) => state === "active" && (figuresAge ?? 0) > oldFigures)
        .map(
          ({ name, figuresAge }) =>
            `${node}: the extension ${name} has written no metrics for ${figuresAge} s`,
        ),
    ),
  ];
}
