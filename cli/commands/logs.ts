/** `./lab logs NODE [UNIT]`: shows the journal of the lab's services on a node. */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { quote } from "../../provisioning/shell.ts";
import { checkout } from "../../workshop/checkout.ts";
import { apply } from "../environment.ts";
import { nodeNamed, nodesOf } from "../nodes.ts";
import { Problem } from "../problem.ts";
import { Pulumi } from "../pulumi.ts";

/** Short names of the lab's services, and their units on the nodes. journalctl ignores units that a node does not have. */
export const units: Readonly<Record<string, readonly string[]>> = {
  redis: ["redis-server.service"],
  objects: ["weed.service"],
  juicefs: ["juicefs.service"],
  ray: ["ray.service"],
  monitoring: [
    ...["prometheus.service", "prometheus-node-exporter.service", "prometheus-redis-exporter.service"],
    ...["disgrafs-iostat.service", "disgrafs-ray-state.service", "grafana-server.service"],
  ],
  extensions: ["disgrafs-extension@*"],
  benchmark: ["disgrafs-benchmark@*"],
  disgrafs: ["disgrafs-*"],
};

interface Options {
  readonly stack: string;
  readonly follow: boolean;
  readonly since?: string;
  readonly lines: string;
}

export const logs = new Command("logs")
  .argument("<node>", "name of the node")
  .argument("[service]", `${Object.keys(units).join(", ")}; or the name of a unit`)
  .option("-s, --stack <name>", "the stack", "local")
  .option("-f, --follow", "keep printing new lines until Ctrl-C", false)
  .option("--since <time>", "only lines after this time, as journalctl takes it: 10m ago, 2026-01-31 12:00")
  .option("-n, --lines <count>", "at most this many lines: the newest ones", "200")
  .addHelpText(
    "after",
    `
Without a service, the command shows all of the lab's services on the node, merged by time.

Examples:
  ./lab logs node1
  ./lab logs node1 juicefs --follow
  ./lab logs meta redis --since "10m ago"`,
  )
  .action(async (name: string, service: string | undefined, options: Options) => {
    const command = journalctl(service, options);
    const pulumi = await Pulumi.forStack(options.stack);
    const node = nodeNamed(nodesOf(options.stack, await pulumi.outputs()), name);
    const result = spawnSync("bash", ["-c", `exec ${node.ssh} ${quote(command)}`], {
      cwd: checkout,
      env: apply(pulumi.environment),
      stdio: "inherit",
    });
    process.exitCode = result.status ?? 1;
  });

/**
 * The command that shows the journal of a service, run on the node.
 * @throws Problem if an argument is invalid
 */
export function journalctl(
  service: string | undefined,
  { follow, since, lines }: Pick<Options, "follow" | "since" | "lines">,
): string {
  if (!/^\d{1,7}$/.test(lines)) throw new Problem(`--lines ${lines}: a whole number, such as 200`);
  if (service !== undefined && !/^[\w@.:-]+$/.test(service)) {
    throw new Problem(
      `"${service}" is not a service; use one of ${Object.keys(units).join(", ")}, or the name of a unit`,
    );
  }
  const chosen =
    service === undefined
      ? Object.values(units).flat()
      : Object.hasOwn(units, service)
        ? units[service]
        : [service];
  const words = [
    ...["journalctl", "--no-pager", "--output=short-iso", `--lines=${lines}`],
    ...(follow ? ["--follow"] : []),
    ...(since === undefined ? [] : [`--since=${relative(since)}`]),
    ...(chosen ?? []).flatMap((unit) => ["--unit", unit]),
  ];
  // The login is root on local machines, and may become root on AWS.
  return `[ "$(id -u)" -eq 0 ] || set -- sudo -n; exec "$@" ${words.map(quote).join(" ")}`;
}

/** journalctl takes "10m ago" as "-10m" in every version. */
function relative(since: string): string {
  const ago = /^(\d+ ?[a-z]+) ago$/.exec(since.trim());
  return ago?.[1] === undefined ? since : `-${ago[1].replace(" ", "")}`;
}
