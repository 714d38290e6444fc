/** The actions of `./lab class`: shows the cost, creates the labs, and lists the failures with their reasons. */
import { readFileSync } from "node:fs";
import { costEstimate } from "../stacks/aws/cost/cost.ts";
import { awsNodes, instanceTypeOf } from "../stacks/aws/index.ts";
import { durationSeconds } from "../stacks/aws/settings.ts";
import { parseSettings } from "../stacks/settings.ts";
import { inLab, checkout } from "../workshop/checkout.ts";
import {
  downFor,
  forEachStudent,
  stackOf,
  standingOf,
  upFor,
  type Outcome,
  type Place,
} from "./classroom.ts";
import { awsSettingsOf, useProfile } from "./awsStack.ts";
import { parseStudents, type Student } from "./students.ts";
import { confirm } from "./confirm.ts";
import { apply } from "./environment.ts";
import { Problem } from "./problem.ts";
import { Pulumi, say } from "./pulumi.ts";
import { table } from "./table.ts";

export interface ClassOptions {
  readonly students: string;
  readonly up?: true;
  readonly down?: true;
  readonly status?: true;
  readonly settings: string;
  readonly parallel: string;
  readonly yes: boolean;
}

export async function runClass(options: ClassOptions): Promise<void> {
  if ([options.up, options.down, options.status].filter(Boolean).length !== 1)
    throw new Problem("choose one of --up, --down and --status");
  const parallel = Number(options.parallel);
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > 32)
    throw new Problem(`--parallel is "${options.parallel}"; it must be a whole number from 1 to 32`);
  const students = parseStudents(read(options.students));
  const pulumi = await Pulumi.forStack(options.settings);
  const env = apply(pulumi.environment) as Record<string, string>;
  // The Automation API finds the CLI by this process's PATH.
  Object.assign(process.env, { PATH: env.PATH, PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true" });
  const place: Place = { project: checkout, env, folder: inLab("class") };
  useProfile(await awsSettingsOf(pulumi));
  if (options.status) await showStatus(place, students);
  else if (options.down) {
    if (!(await confirm(`Take down the labs of ${students.length} students?`, options.yes))) return;
    report(await run(students, parallel, "down", (student) => downFor(place, student)), "down");
  } else await makeAll(place, students, parallel, await configOf(pulumi), options);
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Problem(
      `the list of students cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The settings stack's configuration, by full key. */
async function configOf(pulumi: Pulumi): Promise<Record<string, string>> {
  const text = await pulumi.read("config", "--json");
  if (text === undefined)
    throw new Problem(
      `there is no stack "${pulumi.stack}" with settings for the class; docs/aws.md shows how to create it`,
    );
  const config = JSON.parse(text) as Record<string, { value?: string; secret: boolean }>;
  const hidden = Object.keys(config).filter((key) => config[key]?.secret === true);
  if (hidden.length > 0)
    throw new Problem(
      `the stack "${pulumi.stack}" has secret settings, which are not copied to a class's stacks: ${hidden.join(", ")}; ` +
        "remove them, and pass credentials by the environment or aws.profile",
    );
  return Object.fromEntries(Object.entries(config).map(([key, { value }]) => [key, value ?? ""]));
}

async function makeAll(
  place: Place,
  students: readonly Student[],
  parallel: number,
  config: Record<string, string>,
  { settings: stack, yes }: ClassOptions,
): Promise<void> {
  const prefix = "disgrafs-lab:";
  const values = Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, text]) => [key.slice(prefix.length), json(text)]),
  );
  const settings = parseSettings(values, stack);
  const { aws } = settings;
  if (settings.target !== "aws" || !aws)
    throw new Problem("a class runs on AWS: its settings need target: aws (docs/aws.md)");
  const each = costEstimate(
    {
      region: aws.region,
      instanceTypes: awsNodes(settings.nodes).map((node) => instanceTypeOf(node, aws.instanceTypes)),
      rootGiB: aws.rootGiB,
      publicAddresses: aws.address === "public",
      spot: aws.spot,
    },
    durationSeconds(aws.expiresAfter),
  );
  const total = (usd: number | "unknown"): string =>
    usd === "unknown" ? "unknown" : `${(usd * students.length).toFixed(2)} USD`;
  process.stdout.write(
    `${students.length} labs: about ${total(each.perHour)} an hour, ${total(each.untilExpiry)} until they expire after ${aws.expiresAfter}\n` +
      `(${each.basis})\n`,
  );
  if (!(await confirm("Make them?", yes))) return;
  const outcomes = await run(students, parallel, "up", (student) =>
    upFor(place, student, {
      ...Object.fromEntries(Object.entries(config).map(([key, value]) => [key, { value }])),
      [`${prefix}aws`]: { value: JSON.stringify({ ...(values.aws as object), owner: student.contact }) },
    }),
  );
  report(outcomes, "up");
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function run(
  students: readonly Student[],
  parallel: number,
  what: string,
  job: (student: Student) => Promise<void>,
): Promise<Outcome[]> {
  let interrupted = false;
  const stop = (): void => {
    interrupted = true;
    say("interrupted: ending the running labs cleanly; no new ones are started");
  };
  process.on("SIGINT", stop);
  try {
    return await forEachStudent(
      students,
      parallel,
      async (student) => {
        say(`${stackOf(student)}: ${what} begins`);
        await job(student);
        say(`${stackOf(student)}: ${what} done`);
      },
      () => interrupted,
    );
  } finally {
    process.off("SIGINT", stop);
  }
}

function report(outcomes: readonly Outcome[], what: string): void {
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  for (const { student, failure } of failed)
    process.stdout.write(`failed: ${student.id}: ${failure ?? ""}\n`);
  process.stdout.write(`${outcomes.length - failed.length} ${what}, ${failed.length} failed\n`);
  if (failed.length > 0) {
    process.stdout.write(
      "The logs are in .lab/class/ID/log. Run the same command again: what is done stays as it is.\n",
    );
    process.exitCode = 1;
  }
}

async function showStatus(place: Place, students: readonly Student[]): Promise<void> {
  const now = new Date();
  const all = [];
  for (const student of students) all.push(await standingOf(place, student, now));
  const rows = all.map(({ student, state, running, expires, usdPerHour }) => [
    student.id,
    state,
    running,
    expires,
    String(usdPerHour),
  ]);
  process.stdout.write(table([["STUDENT", "STATE", "RUNNING", "EXPIRES", "USD/HOUR"], ...rows]));
  process.stdout.write(`${all.filter(({ state }) => state === "up").length} of ${all.length} up\n`);
}
