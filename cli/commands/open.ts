/** `./lab open [PAGE]`: an ssh tunnel to a page inside the lab, for as long as the command runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Command } from "commander";
import { quote } from "../../provisioning/shell.ts";
import { labCommand } from "../../stacks/labCommand.ts";
import { inCheckout, checkout } from "../../workshop/checkout.ts";
import { freePort } from "../../workshop/freePort.ts";
import { untilListening } from "../../workshop/listening.ts";
import { serveDashboard } from "../dashboard.ts";
import { apply } from "../environment.ts";
import { areLocal, nodeNamed, nodesOf } from "../nodes.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";

type Outputs = Record<string, unknown>;
/** The full command line of a command on the lab, to paste. */
type Commands = (command: string) => string;

/** A page that a node serves on the lab's private network. */
export interface RemotePage {
  readonly node: string;
  /** `host:port` as the node sees it. */
  readonly address: string;
  readonly path: string;
  /** What the user needs besides the address. */
  readonly hint?: string;
}

/** A page is a file on this computer, a page that a node serves, or the dashboard on top of a node's Prometheus. */
export type Page = { readonly file: string } | (RemotePage & { readonly dashboard?: true });

/** Finds each page from the stack's outputs; the Problem for a missing one says how to get it. */
const pages: Readonly<Record<string, (outputs: Outputs, lab: Commands) => Page>> = {
  dashboard: (outputs, lab) => ({ ...prometheusOf(outputs, lab), dashboard: true }),
  disgrafs: (outputs, lab) => {
    const { page } = (outputs.disgrafs ?? {}) as { page?: string };
    if (page === undefined)
      throw new Problem(`the lab runs without DisGraFS; add it with: ${lab("up -c disgrafs=true")}`);
    const node = withRole(outputs, "ray-head");
    const hint = `it asks for a token; see it with: ${lab(`ssh ${node} -- ${sudo(outputs)}cat /etc/disgrafs/api-token`)}`;
    return { node, address: page, path: "/", hint };
  },
  grafana: (outputs, lab) => {
    const { prometheus, grafana } = monitoringOf(outputs);
    if (prometheus === undefined)
      throw new Problem(`the lab has no Grafana; add it with: ${lab("up -c monitoring=true -c grafana=on")}`);
    if (grafana === undefined) {
      throw new Problem(
        `the lab has no Grafana: its package could not be downloaded, or grafana is off. ${lab("up -c grafana=on")} says why; ` +
          `${lab("open")} draws the same panels`,
      );
    }
    const node = withRole(outputs, "meta");
    const hint = `it shows everything without a login; the password of admin: ${lab(`ssh ${node} -- ${sudo(outputs)}cat /etc/disgrafs/grafana-password`)}`;
    return { node, address: grafana, path: "/", hint };
  },
  prometheus: prometheusOf,
  report: (outputs, lab) => {
    const { path } = (outputs.benchmarkRun ?? {}) as { path?: string };
    if (path === undefined)
      throw new Problem(`no benchmark has run on this stack; run one with: ${lab("bench")}`);
    return { file: inCheckout(path, "report.html") };
  },
};
export const pageNames = Object.keys(pages);

const monitoringOf = (outputs: Outputs): { prometheus?: string; grafana?: string } =>
  outputs.monitoring ?? {};
/** Prefix for a command that needs root: the login is root on local machines, and uses sudo on AWS. */
const sudo = (outputs: Outputs): string => (areLocal(outputs) ? "" : "sudo ");

function prometheusOf(outputs: Outputs, lab: Commands): RemotePage {
  const { prometheus } = monitoringOf(outputs);
  if (prometheus === undefined)
    throw new Problem(`the lab has no Prometheus; add it with: ${lab("up -c monitoring=true")}`);
  return { node: withRole(outputs, "meta"), address: new URL(prometheus).host, path: "/" };
}

/** @throws Problem for an unknown page, or one that this lab does not have */
export function pageOf(name: string, outputs: Outputs, stack: string): Page {
  const find = Object.hasOwn(pages, name) ? pages[name] : undefined;
  if (!find) throw new Problem(`there is no page "${name}"; the pages: ${pageNames.join(", ")}`);
  return find(outputs, (command) => labCommand(stack, command));
}

export const open = new Command("open")
  .argument("[page]", pageNames.join(", "), "dashboard")
  .option("-s, --stack <name>", "the stack", "local")
  .option("--print", "print only the address, for scripts", false)
  .addHelpText(
    "after",
    `
The dashboard draws live metrics of CPU, I/O (as iostat shows it), JuiceFS, Redis, Ray and the extensions. For a page on a node,
the command opens an ssh tunnel, with the host key checked, on a free port of 127.0.0.1, until Ctrl-C. A report is a file: the
command prints its path.

Examples:
  ./lab open
  ./lab open disgrafs
  ./lab open grafana
  ./lab open report
  ./lab open prometheus --print`,
  )
  .action(async (name: string, options: { stack: string; print: boolean }) => {
    const pulumi = await Pulumi.forStack(options.stack);
    const outputs = await pulumi.outputs();
    const nodes = nodesOf(options.stack, outputs);
    const page = pageOf(name, outputs ?? {}, options.stack);
    if ("file" in page) {
      process.stdout.write(`${page.file}\n`);
      return;
    }
    const port = await freePort();
    const { ssh } = nodeNamed(nodes, page.node);
    const child = spawn("bash", ["-c", `exec ${tunnel(ssh, port, page.address)}`], {
      cwd: checkout,
      env: apply(pulumi.environment),
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(child, "exit");
    const end = (): void => void child.kill();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
    if (!(await untilListening(port, () => child.exitCode !== null))) {
      throw new Problem(
        `the tunnel to ${page.address} on ${page.node} ended at once; is the lab up? ${labCommand(options.stack, "status")}`,
      );
    }
    if (!(await answers(port))) {
      child.kill();
      await ended;
      throw new Problem(
        `${page.address} on ${page.node} does not answer; see ${labCommand(options.stack, "status")}`,
      );
    }
    const own = page.dashboard ? await freePort() : port;
    const server = page.dashboard ? await serveDashboard(own, `http://127.0.0.1:${port}`) : undefined;
    const address = `http://127.0.0.1:${own}${page.path}`;
    process.stdout.write(
      options.print
        ? `${address}\n`
        : `${[`${name}: ${address}`, page.hint, "Ctrl-C closes it"].filter(Boolean).join("\n")}\n`,
    );
    await ended;
    server?.close();
    server?.closeAllConnections();
  });

/** Whether something answers HTTP behind a tunnel: the near end of a tunnel listens in any case. */
export async function answers(port: number): Promise<boolean> {
  try {
    // Any HTTP status counts as an answer.
    const { body } = await fetch(`http://127.0.0.1:${port}/`, {
      redirect: "manual",
      signal: AbortSignal.timeout(60_000),
    });
    await body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** The ssh command line of a tunnel: it listens only on this computer, and fails if the port is taken. */
export function tunnel(login: string, port: number, address: string): string {
  const forward = `127.0.0.1:${port}:${address}`;
  return `${login} -N -o ExitOnForwardFailure=yes -o BatchMode=yes -L ${quote(forward)}`;
}

function withRole(outputs: Outputs, role: string): string {
  const nodes = (outputs.nodes ?? []) as { name: string; roles: string[] }[];
  const node = nodes.find(({ roles }) => roles.includes(role));
  if (!node) throw new Problem(`the lab has no node with the role ${role}`);
  return node.name;
}
