/**
 * The workloads of the profile `reads` on a real machine with JuiceFS, Redis and the FUSE extension, each once in the arms that
 * answer reads, in one that does not, and on the node's own disk: each gives a figure, from what it says that it reads from.
 */
import { fuse } from "../bpf/fuse/extension.ts";
import { loadExtension, putExtension } from "../tests/support/extensions.ts";
import { address, meta, mountPoint, planFor, python, startRunnerVm } from "../tests/support/runnerVm.ts";
import type { TestVm } from "../tests/support/vm.ts";
import { buildExtensions } from "../workshop/builder/builder.ts";
import { parseFio } from "./parsers/fio.ts";
import { parseLoops } from "./parsers/loops.ts";
import { fewestOperations } from "./parsers/measurement.ts";
import type { Plan } from "./plan.ts";

const minutes = (count: number): number => count * 60_000;
const kernel = "debian-13";
const MiB = 1024 * 1024;
const arms = ["ttl", "fuse-lease-read", "fuse-lease-keep-read", "local"] as const;

const whole = planFor({ profile: "reads", arms });
/** With small files: this is about what happens, not how fast. */
const plan: Plan = {
  ...whole,
  workloads: whole.workloads
    // Tasks of Ray need a cluster.
    .filter(({ name, kind }) => name !== "control" && kind !== "ray-read")
    .map((workload) => ({
      ...workload,
      parameters: {
        ...workload.parameters,
        ...(workload.kind === "fio" && { fileSize: 8 * MiB }),
        ...(workload.kind === "compile" && { files: 40, headers: 10 }),
      },
    })),
};

/** What the agent returns for one window. */
interface Window {
  readonly invalid?: string;
  readonly text: string;
  readonly late: number;
  readonly gap?: number;
  readonly proof: {
    readonly before: { readonly script?: { readonly reads?: number }; readonly disk?: string };
    readonly after: { readonly script?: { readonly reads?: number }; readonly disk?: string };
  };
  /** Reads that the disk has done in the window, in how many seconds, and FUSE requests to read. */
  readonly diskReads: number;
  readonly seconds: number;
  readonly requests: number | null;
}

let vm: TestVm;
let windows: Record<string, Record<string, Window>>;

beforeAll(async () => {
  const build = await buildExtensions((line) => process.stderr.write(`${line}\n`));
  // One CPU: under QEMU's emulation, patching a function while another CPU runs it can crash (docs/fuse-extension.md).
  vm = await startRunnerVm({ name: "reads", kernel, cpus: 1 });
  await putExtension(vm, kernel, "fuse", build);
  const own = fuse.settings.parse({});
  const around = { mountPoint, meta, passwordFile: "/etc/disgrafs/redis-password", privateAddress: address };
  const verdict = await loadExtension(vm, kernel, "fuse", fuse.options(own, around) as string[], true);
  if (!verdict.supported) throw new Error(verdict.reason);
  await vm.check(`cat >/tmp/plan.json <<'JSON'
${JSON.stringify(plan)}
JSON`);
  const text = await vm.check(
    `${python} - <<'PY'
import json, pathlib, sys, time
from disgrafs_benchmark.agent import Agent
from disgrafs_benchmark.plan import read_plan
plan = read_plan(pathlib.Path("/tmp/plan.json"))
agent, windows = Agent(plan, "vm"), {}

def disk_reads():
    disks = [disk for disk in pathlib.Path("/sys/block").iterdir() if not disk.name.startswith(("loop", "ram", "zram"))]
    return sum(int((disk / "stat").read_text().split()[0]) for disk in disks)

def measure(work, arm):
    answer = agent.ready(work, arm, 1)
    if "invalid" in answer:
        return answer
    before, since = disk_reads(), time.monotonic()
    answer = agent.measure(work, arm, 1, time.time() + 0.5)
    if "invalid" in answer:
        return answer
    answer["diskReads"] = disk_reads() - before
    answer["seconds"] = time.monotonic() - since
    counters = answer.pop("counters")
    told = [counters[when]["requests"] for when in ("before", "after")]
    answer["requests"] = None if told[0] is None else told[1].get("read", 0) - told[0].get("read", 0)
    files = answer.pop("files")
    answer["text"] = next(files[name].decode() for name in ("fio.json", "loops.json") if name in files)
    return answer

obstacles = agent.prepare()
assert obstacles == {}, obstacles
for work in plan.workloads:
    agent.create_data(work)
agent.facts()
for arm in plan.arms:
    for answer in (agent.unmount_and_drop(), agent.mount_arm(arm)):
        assert "invalid" not in answer, answer
    windows[arm] = {work.name: measure(work, arm) for work in plan.workloads}
    print(arm, file=sys.stderr)
agent.clean_up()
print(json.dumps(windows))
PY`,
    2400,
  );
  windows = JSON.parse(text) as typeof windows;
}, minutes(60));
afterAll(async () => {
  // Undefined if the VM did not start, which has already been reported.
  expect((await (vm as TestVm | undefined)?.stop()) ?? []).toEqual([]);
}, minutes(5));

const readsOf = ({ proof }: Window): number | undefined =>
  proof.after.script?.reads === undefined
    ? undefined
    : proof.after.script.reads - (proof.before.script?.reads ?? 0);

describe.each(arms)("a client in the arm %s", (arm) => {
  it.each(plan.workloads.map((workload) => [workload.name, workload] as const))(
    "has a figure of %s",
    (name, { kind, figures, parameters, reads, onePass }) => {
      const window = windows[arm]![name]!;
      expect(window.invalid).toBeUndefined();
      const units = Object.fromEntries(Object.entries(figures).map(([figure, { unit }]) => [figure, unit]));
      const parsed =
        kind === "fio"
          ? parseFio(window.text, {
              large: Object.values(units).includes("MB/s"),
              seconds: Number(parameters["seconds"]),
              passBytes: onePass ? Number(parameters["fileSize"]) : undefined,
            })
          : parseLoops(window.text, units);
      for (const figure of Object.keys(figures)) {
        expect(parsed[figure]!.value).toBeGreaterThan(0);
        // fio runs for a fixed time: on a busy computer, the daemon answers only a few reads in emulation.
        expect(parsed[figure]!.operations).toBeGreaterThanOrEqual(kind === "fio" ? 1 : fewestOperations);
      }
      if (arm.endsWith("-read") && reads) expect(readsOf(window)).toBeGreaterThan(0);
      if (arm === "local")
        expect(window).toMatchObject({ requests: null, proof: { after: { disk: "ext4" } } });
    },
  );

  it("reads from the disk if the block files are not in memory, and hardly if they are", () => {
    const perRead = (name: string): number => {
      const { diskReads, text } = windows[arm]![name]!;
      return diskReads / parseFio(text, { large: false, seconds: 0.1 })["read"]!.operations;
    };
    // A read from the disk brings along its neighbours, so that some later ones need none.
    expect(windows[arm]!["random-read-disk"]!.diskReads).toBeGreaterThan(10);
    // The few reads of the daemon in emulation are no more than those of other programs.
    if (arm !== "ttl") expect(perRead("random-read-disk")).toBeGreaterThan(2 * perRead("random-read-blocks"));
  });

  it("lets a slow disk do no more reads than its limit", () => {
    const name = "random-read-slow-disk";
    const limit = Number(plan.workloads.find((workload) => workload.name === name)!.parameters["diskReads"]);
    const { diskReads, seconds } = windows[arm]![name]!;
    // Half as many again for programs that are not limited. fio may do more: a read brings along its neighbours.
    expect(diskReads / seconds).toBeLessThan(1.5 * limit);
  });
});
