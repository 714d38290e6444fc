/**
 * Interrupted runs of the benchmark on a real machine with real JuiceFS, Redis and Ray: a run survives a lost connection and a
 * killed driver but not Ctrl-C.
 */
import { nodeScript } from "../tests/support/nodeScript.ts";
import { address, mountPoint, planFor, script, startRunnerVm } from "../tests/support/runnerVm.ts";
import type { TestVm } from "../tests/support/vm.ts";
import type { Plan } from "./plan.ts";

const minutes = (count: number): number => count * 60_000;

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

describe("a run that is interrupted", () => {
  let vm: TestVm;
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
    vm = await startRunnerVm({ name: "interrupted" });
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
  }, minutes(45));
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, minutes(5));

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
