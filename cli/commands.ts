/**
 * The table of commands, in the order of the help. A command's code, which may import all of Pulumi, is loaded only when it is
 * called. The help of `./lab` needs only this table.
 */
import type { Command } from "commander";

interface Entry {
  /** One line for the help. */
  readonly summary: string;
  load(): Promise<Command>;
}

export const commands: Readonly<Record<string, Entry>> = {
  setup: {
    summary: "install what the lab needs: Debian packages by apt, everything else into .lab of this checkout",
    load: async () => (await import("./commands/setup.ts")).setup,
  },
  up: {
    summary: "set up this computer, then create or update the cluster",
    load: async () => (await import("./commands/up.ts")).up,
  },
  down: {
    summary: "remove the cluster, and show that nothing is left",
    load: async () => (await import("./commands/down.ts")).down,
  },
  test: {
    summary: "set up this computer, then run every test",
    load: async () => (await import("./commands/test.ts")).test,
  },
  doctor: {
    summary: "check this computer, and give advice if something is missing",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  ssh: {
    summary: "log in to a node, or run one command there",
    load: async () => (await import("./commands/ssh.ts")).ssh,
  },
  status: {
    summary: "show the state of the lab: nodes, services, extensions, a running benchmark, what is wrong",
    load: async () => (await import("./commands/status.ts")).status,
  },
  logs: {
    summary: "show the logs of the lab's services on a node",
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  find: {
    summary: "find files of the volume by words of their names and tags",
    load: async () => (await import("./commands/find.ts")).find,
  },
  open: {
    summary: "open a page of the lab: live metrics, DisGraFS, Prometheus, the report of a benchmark",
    load: async () => (await import("./commands/open.ts")).open,
  },
  env: {
    summary: "print the environment that pulumi needs, for eval in bash or zsh",
    load: async () => (await import("./commands/env.ts")).env,
  },
  bench: {
    summary: "benchmark the cluster, and print a verdict per workload",
    load: async () => (await import("./commands/bench.ts")).bench,
  },
  report: {
    summary: "rebuild the report of a benchmark run, or compare runs",
    load: async () => (await import("./commands/report.ts")).report,
  },
  cache: {
    summary: "show the contents of the cache and why they are kept; remove what is not needed",
    load: async () => (await import("./commands/cache.ts")).cache,
  },
  extend: {
    summary: "extend the life of a lab on AWS",
    load: async () => (await import("./commands/extend.ts")).extend,
  },
  sweep: {
    summary: "show what is left of your labs on AWS, and remove it",
    load: async () => (await import("./commands/sweep.ts")).sweep,
  },
  class: {
    summary: "create, list or remove a lab on AWS for each student on a list",
    load: async () => (await import("./commands/class.ts")).classCommand,
  },
};

/** The command of that name with its summary; undefined where there is none. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return entry && (await entry.load()).description(entry.summary);
}
