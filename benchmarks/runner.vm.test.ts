/**
 * The runner's parts on a real machine with real JuiceFS and Redis: programs end with their agent, a node drops its caches on
 * request, and a point whose arm was not active is INVALID. interrupted.long.test.ts has interrupted runs; a successful run on
 * a complete lab is tested in tests/.
 */
import { address, mountPoint, planFor, python, script, startRunnerVm } from "../tests/support/runnerVm.ts";
import type { TestVm } from "../tests/support/vm.ts";

const minutes = (count: number): number => count * 60_000;

const plan = planFor({ profile: "smoke" });

/** The checked fields of a loop's record. */
interface Loop {
  readonly operations: number;
  readonly requests: Readonly<Record<string, number>>;
}

let vm: TestVm;

beforeAll(async () => {
  vm = await startRunnerVm({ name: "benchmark" });
}, minutes(25));

afterAll(async () => {
  expect(await vm.stop()).toEqual([]);
}, minutes(5));

describe("the lifeline", () => {
  it(
    "should end all programs of a killed agent, even those in separate sessions",
    async () => {
      await vm.check(`cat >/tmp/agent.py <<'PY'
import time
from disgrafs_benchmark.lifeline import Lifeline
line = Lifeline("test")
line.open()
line.start(["sh", "-c", "setsid sleep 4321 & sleep 4321"])
print("ready", flush=True)
time.sleep(600)
PY
cd /opt/disgrafs/benchmarks
PYTHONPATH=. setsid /opt/disgrafs/venv/bin/python -B /tmp/agent.py >/tmp/agent.out 2>&1 </dev/null &
for i in $(seq 250); do grep -q ready /tmp/agent.out && break; sleep 0.5; done
for i in $(seq 250); do [ "$(pgrep -fxc 'sleep 4321')" = 2 ] && break; sleep 0.5; done
[ "$(pgrep -fxc 'sleep 4321')" = 2 ] || { cat /tmp/agent.out; exit 1; }
pkill -KILL -f /tmp/agent.py`);
      const left = await vm.run(
        // systemd removes the unit some time after its last process has ended.
        `left() { pgrep -fx 'sleep 4321'; systemctl list-units --no-legend 'disgrafs-benchmark-test-*'; }
for i in $(seq 500); do [ -z "$(left)" ] && break; sleep 0.5; done
left`,
      );
      expect(left.stdout).toBe("");
    },
    minutes(10),
  );
});

describe("answer.sh", () => {
  it(
    "should drop the node's caches on request, with the kernel's counts as proof, and report the node's state",
    async () => {
      await vm.check(script("answer.sh", address, "9436"));
      const ask = `${python} -c '
import json
from disgrafs_benchmark.neighbours import Neighbour
node = Neighbour("${address}")
print(json.dumps([node.facts(), node.counters(), node.drop()["step"], node.counters()]))'`;
      const [facts, before, step, after] = JSON.parse(await vm.check(ask)) as Record<string, unknown>[];
      expect(facts).toEqual({
        bootId: await vm.check("cat /proc/sys/kernel/random/boot_id"),
        kernel: await vm.check("uname -r"),
        cpus: 1,
        virtualization: expect.stringMatching(/^(qemu|kvm)$/) as string,
        cpu: expect.stringMatching(/./) as string,
      });
      expect(step).toBe(`drop caches of ${address}`);
      expect(before!["bootId"]).toBe(facts!["bootId"]);
      expect(before!["load"]).toBeGreaterThanOrEqual(0);
      expect(after!["cpuTicks"]).toBeGreaterThan(before!["cpuTicks"] as number);
      expect(after!["stealTicks"]).not.toBeNull();
      expect(await vm.check(`ss -Hltn 'sport = :9436' | awk '{ print $4 }'`)).toBe(`${address}:9436`);
      await vm.check(script("noAnswer.sh"));
      expect((await vm.run(ask)).exitCode).not.toBe(0);
    },
    minutes(10),
  );
});

describe("an agent on a real mount", () => {
  it(
    "should measure a point in the active arm, and none if its proof fails",
    async () => {
      const metadata = plan.workloads.find(({ name }) => name === "metadata");
      const still = {
        ...plan.arms[0],
        name: "still",
        script: ["still.sh"],
        counted: true,
        reads: false,
      };
      const agentPlan = { ...plan, workloads: [metadata], arms: [...plan.arms, still] };
      await vm.check(`cat >/opt/disgrafs/benchmarks/arms/still.sh <<'SH'
[ "$1" != prove ] || echo '{"active": true, "count": 7}'
SH
cat >/tmp/plan.json <<'JSON'
${JSON.stringify(agentPlan)}
JSON`);
      const text = await vm.check(`${python} - <<'PY'
import json, pathlib, subprocess, time
from disgrafs_benchmark.agent import Agent
from disgrafs_benchmark.plan import read_plan
plan = read_plan(pathlib.Path("/tmp/plan.json"))
agent, work, said, loops = Agent(plan, "vm"), plan.workloads[0], {}, {}

def turn(arm):
    for answer in (agent.unmount_and_drop(), agent.mount_arm(arm)):
        assert "invalid" not in answer, answer

def measure(name, arm):
    answer = agent.ready(work, arm, 1)
    if "invalid" not in answer:
        answer = agent.measure(work, arm, 1, time.time() + 0.3)
    said[name] = answer.get("invalid") or sorted(answer["files"])
    if "files" in answer:
        loops[name] = json.loads(answer["files"]["loops.json"])
        requests = answer["counters"]
        said["used the mount"] = sum(requests["after"]["requests"].values()) > sum(requests["before"]["requests"].values())

said["obstacles"] = agent.prepare()
agent.create_data(work)
turn("nocache")
measure("in force", "nocache")
measure("another arm", "ttl")
turn("still")
measure("still", "still")
turn("ttl")
measure("default", "ttl")
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", plan.mount_point], check=True)
measure("tmpfs", "ttl")
subprocess.run(["umount", plan.mount_point], check=True)
agent.clean_up()
said["restored"] = agent.mount.state()["attr"]
print(json.dumps({"said": said, "loops": loops}))
PY`);
      const { said, loops } = JSON.parse(text) as {
        said: object;
        loops: Record<string, Record<string, Loop>>;
      };
      expect(said).toEqual({
        obstacles: {},
        "in force": ["iostat.json", "loops.json"],
        default: ["iostat.json", "loops.json"],
        "used the mount": true,
        "another arm":
          "the mount is not in arm ttl: attr is 0 s, not 1 s, entry is 0 s, not 1 s, dirEntry is 0 s, not 1 s",
        still: "arm still was enabled, but its run count did not move",
        tmpfs: `${mountPoint} is tmpfs, not fuse.juicefs`,
        restored: 1,
      });
      // Hits and misses according to JuiceFS's own counts.
      const asked = (arm: string, figure: string): number => {
        const { requests, operations } = loops[arm]![figure]!;
        return ((requests["lookup"] ?? 0) + (requests["getattr"] ?? 0)) / operations;
      };
      expect(asked("default", "statHit")).toBeLessThan(0.1);
      expect(asked("default", "statMiss")).toBeGreaterThanOrEqual(1);
      expect(asked("default", "openMiss")).toBeGreaterThanOrEqual(1);
      expect(asked("in force", "statHit")).toBeGreaterThanOrEqual(1);
      expect(await vm.check(`ls -A ${mountPoint}/.disgrafs-benchmark/${plan.runId}`)).toBe("");
    },
    minutes(15),
  );
});
