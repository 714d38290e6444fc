/** `./lab status`: the nodes as they are now, and the health that the last `up` found. */
import { Command } from "commander";
import { isRunning, vmState } from "../../stacks/local/vm.ts";
import { areLocal, nodesOf } from "../nodes.ts";
import { Pulumi } from "../pulumi.ts";

export const status = new Command("status")
  .description("show the nodes as they are now, and the health that the last up found")
  .option("-s, --stack <name>", "the stack", "local")
  .addHelpText(
    "after",
    `
The exit status is 1 when a local machine does not run; ./lab up brings it back.

Examples:
  ./lab status
  ./lab status --stack aws`,
  )
  .action(async (options: { stack: string }) => {
    const pulumi = await Pulumi.forStack(options.stack);
    const outputs = await pulumi.outputs();
    const nodes = nodesOf(options.stack, outputs);
    const states = nodes.map((node) => machineState(pulumi.localName, node.name, areLocal(outputs)));
    const rows = nodes.map((node, i) => [node.name, states[i] ?? "", node.roles.join(","), node.kernel]);
    process.stdout.write(table([["NODE", "STATE", "ROLES", "KERNEL"], ...rows]));
    const health = Object.values((outputs?.health ?? {}) as Record<string, string>);
    if (health.length > 0) process.stdout.write("\nat the last up:\n");
    for (const line of health) process.stdout.write(`  ${line}\n`);
    process.exitCode = states.some((state) => state.startsWith("not running")) ? 1 : 0;
  });

/** What is known here of a machine: of those elsewhere only that the stack has them. */
export function machineState(stack: string, name: string, local: boolean): string {
  if (!local) return "elsewhere";
  const state = vmState(stack, name);
  if (state === undefined) return "not running, its files are gone";
  if (!isRunning(state)) return "not running";
  return `running, pid ${state.process.pid}, ssh on 127.0.0.1:${state.port}`;
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .map((text) => `${text.trimEnd()}\n`)
    .join("");
}
