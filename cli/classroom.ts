/** A class: one lab on AWS per student, created, listed and removed together, a few at a time. */
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace, type ConfigMap, type Stack } from "@pulumi/pulumi/automation/index.js";
import { awsFailure } from "../stacks/aws/advice.ts";
import { sshFolder } from "../stacks/aws/access/sshFiles.ts";
import { ec2States, type AwsFacts } from "./awsStack.ts";
import type { Student } from "./students.ts";

export const stackOf = (student: Student): string => `class-${student.id}`;

export interface Outcome {
  readonly student: Student;
  /** Reason of the failure, with advice if known; undefined on success. */
  readonly failure: string | undefined;
}

/** Runs a job for each student, at most `parallel` at once. A failure does not stop the others. `stopped` ends it early. */
export async function forEachStudent(
  students: readonly Student[],
  parallel: number,
  job: (student: Student) => Promise<void>,
  stopped: () => boolean = () => false,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...students];
  const worker = async (): Promise<void> => {
    for (let student = waiting.shift(); student; student = waiting.shift()) {
      if (stopped()) {
        outcomes.push({ student, failure: "not begun: interrupted" });
        continue;
      }
      try {
        await job(student);
        outcomes.push({ student, failure: undefined });
      } catch (error) {
        outcomes.push({ student, failure: reason(error instanceof Error ? error.message : String(error)) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, students.length) }, worker));
  const order = new Map(students.map((student, index) => [student.id, index]));
  return outcomes.sort((a, b) => (order.get(a.student.id) ?? 0) - (order.get(b.student.id) ?? 0));
}

/** One line: AWS's advice if there is some, else the last line that contains "error". */
export function reason(message: string): string {
  const failure = awsFailure(message);
  if (failure) return `${failure.code}: ${failure.advice}`;
  const lines = message.split("\n").map((line) => line.trim());
  return (
    lines.filter((line) => /error/i.test(line)).at(-1) ??
    lines.find((line) => line !== "") ??
    "no reason given"
  );
}

export interface Place {
  /** Folder of the Pulumi project. */
  readonly project: string;
  /** Environment for the Pulumi CLI. */
  readonly env: Record<string, string>;
  /** Folder for the class's sheets, keys and logs, with one subfolder per student. */
  readonly folder: string;
}

const options = ({ project, env }: Place) => ({
  workDir: project,
  // The CLI that ./lab setup builds has no version number to check.
  envVars: { ...env, PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true" },
});

/** Creates or updates a student's lab, then writes the sheet. */
export async function upFor(place: Place, student: Student, config: ConfigMap): Promise<void> {
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName: stackOf(student), workDir: place.project },
    options(place),
  );
  await stack.setAllConfig(config);
  await withLog(place, student, async (onOutput) => {
    // Resources that an interrupted run was creating are created again: every step of a lab can be repeated.
    await stack.refresh({ onOutput, clearPendingCreates: true });
    await stack.up({ onOutput });
  });
  await writeSheet(place, student, stack);
}

/** Removes a student's lab and its stack. A missing stack is not an error. */
export async function downFor(place: Place, student: Student): Promise<void> {
  const workspace = await LocalWorkspace.create(options(place));
  if (!(await workspace.listStacks()).some(({ name }) => name === stackOf(student))) return;
  const stack = await LocalWorkspace.selectStack(
    { stackName: stackOf(student), workDir: place.project },
    options(place),
  );
  await withLog(place, student, async (onOutput) => {
    await stack.destroy({ onOutput });
  });
  await workspace.removeStack(stackOf(student));
  rmSync(join(place.folder, student.id), { recursive: true, force: true });
}

export interface Standing {
  readonly student: Student;
  /** up: all machines run, according to EC2; broken: some do not; lost: EC2 could not be queried. */
  readonly state: "up" | "broken" | "expired" | "none" | "unfinished" | "lost";
  /** Number of running machines according to EC2, and of all: an expired lab with running machines still costs money. */
  readonly running: string;
  readonly expires: string;
  readonly usdPerHour: number | "unknown" | "";
}

/** State of a student's lab, from its stack's outputs and EC2's state of its machines. */
export async function standingOf(place: Place, student: Student, now: Date): Promise<Standing> {
  const workspace = await LocalWorkspace.create(options(place));
  if (!(await workspace.listStacks()).some(({ name }) => name === stackOf(student)))
    return { student, state: "none", running: "", expires: "", usdPerHour: "" };
  const outputs = await workspace.stackOutputs(stackOf(student));
  const facts = outputs.targetFacts?.value as AwsFacts | undefined;
  if (!facts) return { student, state: "unfinished", running: "", expires: "", usdPerHour: "" };
  const nodes = (outputs.nodes?.value as { name: string }[] | undefined) ?? [];
  const names = nodes.map(({ name }) => name);
  const states = await ec2States(stackOf(student), names, facts);
  const { expires } = facts;
  return {
    ...{ student, expires, usdPerHour: facts.costEstimate.perHour },
    state: Date.parse(expires) <= now.getTime() ? "expired" : standing(states),
    running: `${states.filter((state) => state.startsWith("running")).length}/${states.length}`,
  };
}

function standing(states: readonly string[]): Standing["state"] {
  if (states.some((state) => state.startsWith("not known"))) return "lost";
  return states.every((state) => state === "running") ? "up" : "broken";
}

async function withLog(
  place: Place,
  student: Student,
  run: (onOutput: (text: string) => void) => Promise<void>,
): Promise<void> {
  const folder = join(place.folder, student.id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await run((text) => {
    appendFileSync(join(folder, "log"), text);
  });
}

/** The student's folder: sheet.md, and key, host keys and configuration for ssh. Give it only to the student. */
async function writeSheet(place: Place, student: Student, stack: Stack): Promise<void> {
  const outputs = await stack.outputs();
  const facts = outputs.targetFacts?.value as AwsFacts;
  const nodes = outputs.nodes?.value as { name: string; roles: string[] }[];
  const folder = join(place.folder, student.id);
  const source = sshFolder(stack.name);
  for (const name of ["key", "known_hosts"]) cpSync(join(source, name), join(folder, name));
  // ssh resolves these paths relative to its working directory, which is this folder.
  const config = readFileSync(join(source, "config"), "utf8").replaceAll(`"${source}/`, '"');
  writeFileSync(join(folder, "config"), config, { mode: 0o600 });
  writeFileSync(join(folder, "sheet.md"), sheet(student, nodes, facts), { mode: 0o600 });
}

export function sheet(
  student: Student,
  nodes: readonly { name: string; roles: readonly string[] }[],
  facts: AwsFacts,
): string {
  const { perHour, untilExpiry } = facts.costEstimate;
  const usd = (value: number | "unknown"): string =>
    value === "unknown" ? "unknown" : `${value.toFixed(2)} USD`;
  return [
    `# Lab of ${student.name}`,
    "",
    `Your machines go off, with all that is on them, at **${facts.expires}**. Copy what you want to keep before.`,
    "",
    "Log in, from the folder of this sheet:",
    "",
    ...nodes.map(({ name, roles }) => `    ssh -F config ${name.padEnd(12)} # ${roles.join(", ")}`),
    "",
    `It costs about ${usd(perHour)} an hour, ${usd(untilExpiry)} in all (${facts.costEstimate.basis}).`,
    "The file `key` opens your machines: show it to nobody. If ssh says that it is too open: `chmod 600 key`.",
    "",
  ].join("\n");
}
