/** `./lab status`: the current state of the lab, as its machines report it. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { diskErrors } from "../../stacks/local/diskErrors.ts";
import { stackFolder } from "../../stacks/local/paths.ts";
import { mendSshConfig, runningVm, vmState } from "../../stacks/local/vm.ts";
import { checkout, inLab } from "../../workshop/checkout.ts";
import { freeBytes } from "../../workshop/freeBytes.ts";
import { awsFactsOf, awsSettingsOf, ec2States, useProfile } from "../awsStack.ts";
import { apply } from "../environment.ts";
import { areLocal } from "../nodes.ts";
import { Pulumi } from "../pulumi.ts";
import { expectedOf, questionsFor } from "../status/expected.ts";
import { labStatus, runs, type Expected, type LabStatus } from "../status/labStatus.ts";
import { statusLines } from "../status/lines.ts";
import { askNode, type Asked } from "../status/nodeReport.ts";

interface Options {
  readonly watch: boolean;
  readonly json: boolean;
}

export const status = new Command("status")
  .option("-s, --stack <name>", "the stack", "local")
  .option("-w, --watch", "refresh on one screen until Ctrl-C", false)
  .option("--json", "print JSON; with --watch, one line per refresh", false)
  .addHelpText(
    "after",
    `
The command queries all nodes at the same time, over one ssh connection each: services and whether they answer, extensions,
a running benchmark, DisGraFS's lag. This takes a little CPU time on each node, also while a benchmark measures.

The exit status is 0 if all is well, and 1 if something is wrong: the last lines say what, and what to do.

Examples:
  ./lab status
  ./lab status --watch
  ./lab status --json | jq .problems
  ./lab status --stack aws`,
  )
  .action(async ({ stack, ...options }: Options & { stack: string }) => {
    process.exitCode = await showStatus(await Pulumi.forStack(stack), options);
  });

/** Seconds between two refreshes of --watch. */
const pause = 5;

/** Prints the status once, or repeatedly with `watch`. Returns the exit status: 0 if all is well. */
export async function showStatus(
  pulumi: Pulumi,
  { watch, json }: Options = { watch: false, json: false },
): Promise<number> {
  const screen = watch && !json && process.stdout.isTTY;
  const text = (found: LabStatus): string =>
    json ? `${JSON.stringify(found, null, watch ? undefined : 2)}\n` : statusLines(found);
  let found = await look(pulumi);
  if (!watch) {
    process.stdout.write(text(found));
    return found.ok ? 0 : 1;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  // The terminal's alternate screen: leaving it restores what was shown before.
  if (screen) process.stdout.write("\x1b[?1049h\x1b[?25l");
  try {
    for (;;) {
      const time = new Date(found.at).toLocaleTimeString();
      const head = `${found.stack} at ${time}, refreshed every ${pause} s; Ctrl-C ends\n\n`;
      process.stdout.write(
        screen ? onScreen(head + text(found)) : json ? text(found) : `${found.at}\n${text(found)}\n`,
      );
      await sleep(pause * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) break;
      found = await look(pulumi);
    }
  } finally {
    if (screen) process.stdout.write("\x1b[?25h\x1b[?1049l");
  }
  return found.ok ? 0 : 1;
}

/** Cuts the text to the terminal's size, and overwrites the previous frame line by line to avoid flicker. */
export function onScreen(
  text: string,
  { columns = 80, rows = 24 }: { columns?: number; rows?: number } = process.stdout,
): string {
  const lines = text.trimEnd().split("\n");
  const shown =
    lines.length > rows - 1 ? [...lines.slice(0, rows - 2), "... more lines: enlarge the window"] : lines;
  return `\x1b[H${shown.map((line) => `${line.slice(0, columns)}\x1b[K\n`).join("")}\x1b[J`;
}

async function look(pulumi: Pulumi): Promise<LabStatus> {
  const outputs = (await pulumi.outputs()) ?? {};
  const expected = expectedOf(pulumi.stack, outputs);
  const local = areLocal(outputs);
  const { machines, spent } = local
    ? { machines: await statesHere(pulumi, expected), spent: {} }
    : await statesOnAws(pulumi, expected, outputs);
  const env = apply(pulumi.environment);
  const asked = await Promise.all(
    expected.nodes.map(async (node, index): Promise<Asked> => {
      if (!runs(machines[index] ?? "")) return { failure: "its machine is not running" };
      const answer = await askNode(node.ssh, questionsFor(node, expected, outputs), { cwd: checkout, env });
      return local && "failure" in answer ? await withDiskErrors(pulumi, node.name, answer.failure) : answer;
    }),
  );
  const room = local ? { freeHere: freeBytes(inLab("stacks")) } : {};
  return labStatus({ expected: { ...expected, ...spent }, machines, asked, now: new Date(), ...room });
}

/** Nobody may be able to log in to a machine whose disk has failed, but its QEMU knows of the failures. */
async function withDiskErrors(pulumi: Pulumi, name: string, failure: string): Promise<Asked> {
  const errors = await diskErrors(await nameHere(pulumi), name);
  return { failure, ...(errors !== undefined && { diskErrors: errors }) };
}

/** The machines' states according to EC2, and what the lab has cost. */
async function statesOnAws(
  pulumi: Pulumi,
  { nodes }: Expected,
  outputs: Record<string, unknown>,
): Promise<{ machines: string[]; spent: Pick<Expected, "cost"> }> {
  const facts = awsFactsOf(pulumi.stack, outputs);
  useProfile(await awsSettingsOf(pulumi));
  const names = nodes.map(({ name }) => name);
  const { usage } = await import("../../stacks/aws/cost/cost.ts");
  const { usd } = usage(facts.costEstimate.perHour, new Date(facts.created), new Date());
  return { machines: await ec2States(pulumi.localName, names, facts), spent: { cost: usd } };
}

async function statesHere(pulumi: Pulumi, { nodes }: Expected): Promise<string[]> {
  const here = await nameHere(pulumi);
  return await Promise.all(
    nodes.map(async ({ name }) => {
      const state = machineState(here, name);
      // The checkout may have been moved since.
      if (runs(state)) await mendSshConfig(here, name);
      return state;
    }),
  );
}

/** The name of the stack's folder: until the next `up`, a renamed stack still has the folder of its old name. */
async function nameHere(pulumi: Pulumi): Promise<string> {
  if (existsSync(stackFolder(pulumi.localName))) return pulumi.localName;
  return (await pulumi.localPart())?.stack ?? pulumi.localName;
}

/** The state of a machine on this computer, in words. */
export function machineState(stack: string, name: string): string {
  if (vmState(stack, name) === undefined) return "not running, its files are gone";
  const state = runningVm(stack, name);
  if (!state) return "not running";
  return `running, pid ${state.process.pid}, ssh on 127.0.0.1:${state.port}`;
}
