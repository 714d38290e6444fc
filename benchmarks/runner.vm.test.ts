/**
 * Failures of the runner on a real machine with real JuiceFS, Redis and Ray: programs end with their agent, a run survives a
 * lost connection and a killed driver but not Ctrl-C, and a point whose arm was not active is INVALID. A successful run on a
 * complete lab is tested in tests/.
 */
import { nodeScript } from "../tests/support/nodeScript.ts";
import { address, mountPoint, planFor, python, startRunnerVm } from "../tests/support/runnerVm.ts";
import type { TestVm } from "../tests/support/vm.ts";
import type { Plan } from "./plan.ts";

const minutes = (count: number): number => count * 60_000;

/** The text with which a step runs a script of benchmarks/nodes. */
const script = (name: string, ...args: string[]): string => nodeScript(`../benchmarks/nodes/${name}`, args);

/** The plan of a short run on this machine: fio in both arms, twice. */
const whole = planFor({ profile: "smoke" });
const turn = (index: number, ...names: string[]): Plan["blocks"][number] => ({
  index,
  warmUp: false,
  slots: names.map((arm) => ({ label: arm, arm })),
});
const plan: Plan = {
  ...whole,
  workloads: whole.workloads
    .filter(({ name }) => name === "random-read")
    .map((workload) => ({ ...workload, once: false })),
  blocks: [turn(1, "ttl", "nocache"), turn(2, "nocache", "ttl")],
};
const folder = `/var/lib/disgrafs/benchmarks/${plan.runId}`;
const unit = `disgrafs-benchmark@${plan.runId}.service`;

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
        cpus: 2,
        virtualization: expect.stringMatching(/^(qemu|kvm)$/) as string,
        cpu: expect.stringMatching(/./) as string,
      });
      expect(step).toBe(`drop caches of ${address}`);
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
      const metadata = whole.workloads.find(({ name }) => name === "metadata");
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

describe("a run", () => {
  const follow = (seconds = "400", position = "last", ...goal: [string, string] | []): string =>
    script("follow.sh", plan.runId, seconds, position, ...(goal.length > 0 ? goal : ["2", "end"]));
  const active = async (): Promise<string> => (await vm.run(`systemctl is-active ${unit}`)).stdout;
  /** A point's folder and time. */
  const points = async (): Promise<string[]> => {
    const text = await vm.check(
      `cd ${folder}/points && for f in */point.json; do echo "$f $(jq -r .started $f) $(jq -r .invalid $f)"; done`,
    );
    return text.split("\n");
  };
  /** Waits on the machine for a condition. */
  const until = (condition: string, seconds = 250): string =>
    `for i in $(seq ${seconds * 2}); do ${condition} && exit 0; sleep 0.5; done; exit 1`;

  beforeAll(async () => {
    const ready = await vm.check(nodeScript("node/ready.sh", [".*", "/opt/disgrafs/venv", "boot"]));
    const runtime = ready.split(" ").slice(1).join(" ");
    const resources = JSON.stringify({ client_vm: 1 });
    const args = [
      "head",
      "/opt/disgrafs/venv",
      address,
      address,
      "boot",
      "6380",
      resources,
      runtime,
      "100",
      "",
      "",
    ];
    await vm.check(nodeScript("ray/start.sh", args), 300);
    await vm.check(script("place.sh", plan.runId, JSON.stringify(plan)));
  }, minutes(20));

  it(
    "should continue if the connection is lost, and resume if its driver is killed",
    async () => {
      // The follower is killed, as if its machine was gone.
      const lost = await vm.run(
        `set -m; (
${follow()}
) & pid=$!
for i in $(seq 1000); do [ -e ${folder}/points/001-0-ttl-random-read ] && break; sleep 0.5; done
kill -KILL -- -$pid; ls ${folder}/points`,
        600,
      );
      expect(lost.stdout).toContain("001-0-ttl-random-read");
      expect(await active()).toBe("active");
      await vm.check(`systemctl kill --kill-whom=main --signal=KILL ${unit}`);
      await vm.check(until(`! systemctl -q is-active ${unit}`));
      const before = await points();
      expect(before.length).toBeLessThan(4);
      // The run goes to the end of its first block; then the rest is requested.
      const paused = await vm.run(follow("400", "last", "1", "pause"), 500);
      expect(paused.stdout).toBe(`${plan.runId} paused after block 1`);
      expect(await points()).toHaveLength(2);
      expect(await vm.check(`jq .AttrTimeout ${mountPoint}/.config`)).toBe("1000000000");
      expect((await vm.run(follow("400", "last", "1", "pause"))).stdout).toBe(paused.stdout);
      const done = await vm.run(follow(), 500);
      expect(done.stderr).toMatch(/point [34] of 4/);
      expect(done.stdout).toBe(`${plan.runId} done`);
      const after = await points();
      expect(after).toHaveLength(4);
      expect(after.slice(0, before.length)).toEqual(before);
      expect(after.every((line) => line.endsWith(" null"))).toBe(true);
      // The run is finished: no further start and no further point.
      expect((await vm.run(follow())).stdout).toBe(`${plan.runId} done`);
      expect(await points()).toEqual(after);
    },
    minutes(30),
  );

  it(
    "should stop the workload, restore the mount and keep its points on SIGTERM, which Ctrl-C of up sends",
    async () => {
      await vm.check(`rm -r ${folder}/finished ${folder}/points/002-*`);
      const stopped = await vm.run(
        // On a slow machine, the first point comes after minutes; fio may end between two checks.
        `timeout 900 bash -s run <<'FOLLOW' &
${follow("900")}
FOLLOW
pid=$!
for i in $(seq 3000); do pgrep -x fio >/dev/null && { echo "fio ran"; break; }; sleep 0.2; done
kill -TERM $pid; wait $pid; echo "status $?"`,
        1000,
      );
      expect(stopped.stdout.split("\n")).toEqual(["fio ran", "status 130"]);
      expect(stopped.stderr).toContain("is being stopped on all nodes");
      // The unit may take TimeoutStopSec (place.sh) to restore the mount.
      await vm.check(until(`! systemctl -q is-active ${unit}`, 100));
      expect((await vm.run("pgrep -x 'fio|iostat'")).stdout).toBe("");
      expect(await vm.check(`jq .AttrTimeout ${mountPoint}/.config`)).toBe("1000000000");
      expect((await points()).length).toBeGreaterThanOrEqual(2);
    },
    minutes(25),
  );

  it(
    "should show the end of the log of a driver that crashed",
    async () => {
      await vm.check(`mv ${folder}/plan.json ${folder}/plan.aside`);
      const crashed = await vm.run(follow(), 500);
      await vm.check(`mv ${folder}/plan.aside ${folder}/plan.json`);
      expect(crashed.exitCode).toBe(1);
      expect(crashed.stderr).toContain("No such file or directory: ");
      expect(crashed.stderr).toContain("run up again to continue from there");
    },
    minutes(12),
  );

  it(
    "should leave the rest to the next step after its time, fail if there is none, and be stopped by stop.sh",
    async () => {
      expect((await vm.run(follow("1", "more"))).exitCode).toBe(0);
      const last = await vm.run(follow("1", "last"));
      expect(last.exitCode).toBe(1);
      expect(last.stderr).toContain(
        "is still running after its time limit: run up again to continue waiting",
      );
      await vm.check(script("stop.sh", plan.runId));
      expect(await active()).not.toBe("active");
    },
    minutes(10),
  );
});
