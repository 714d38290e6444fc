/** A machine with the benchmark's runner, JuiceFS and Redis, and plans for it. */
import { join } from "node:path";
import { buildPlan, type Plan, type PlanSettings } from "../../benchmarks/plan.ts";
import { checkout } from "../../workshop/checkout.ts";
import { buildLoops } from "../../workshop/builder/loops.ts";
import { nodeScript } from "./nodeScript.ts";
import { startTestVm, type TestVm, type TestVmOptions } from "./vm.ts";

/** On the private network. */
export const address = "10.77.0.10";
export const mountPoint = "/mnt/jfs";
export const meta = `redis://${address}:6379/0`;
/** In the machine: starts Python where it finds the runner. */
export const python = "cd /opt/disgrafs/benchmarks && /opt/disgrafs/venv/bin/python -B";

/** The text with which a step runs a script of benchmarks/nodes. */
export const script = (name: string, ...args: string[]): string =>
  nodeScript(`../benchmarks/nodes/${name}`, args);

/** The plan of a run whose only client is the machine. */
export function planFor(settings: Pick<PlanSettings, "profile" | "arms">): Plan {
  return buildPlan({
    ...settings,
    seed: 1,
    clients: ["vm"],
    mountPoint,
    redis: { host: address, port: 6379 },
    cacheDroppers: [],
    clock: "wall",
    settings: {},
    machineIds: ["vm"],
  });
}

export async function startRunnerVm(options: TestVmOptions): Promise<TestVm> {
  const vm = await startTestVm({ cpus: 1, memoryMiB: 2048, ...options });
  for (const folder of ["runner/disgrafs_benchmark", "arms"])
    await vm.push(join(checkout, "benchmarks", folder), "/opt/disgrafs/benchmarks");
  const program = await buildLoops((line) => process.stderr.write(`${line}\n`));
  await vm.push(join(program, "loops"), "/opt/disgrafs/benchmarks/bin");
  const mount = [
    ...[meta, mountPoint, "/var/cache/juicefs", `${address}:9567`],
    ...["--attr-cache=1 --entry-cache=1 --dir-entry-cache=1", "--buffer-size=64"],
  ];
  for (const script of [
    nodeScript("redis/start.sh", [address, "6379"], ["canary-password"]),
    nodeScript("juicefs/format.sh", [meta, "test", "file", "/var/lib/disgrafs/blocks/"], ["", ""]),
    nodeScript("juicefs/mount.sh", mount),
  ])
    await vm.check(script, 600);
  return vm;
}
