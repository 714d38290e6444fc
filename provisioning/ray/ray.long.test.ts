/**
 * Ray that runs alone on a machine: how rarely it wakes up when nothing happens, and objects that it has to write to a full disk. The
 * program then gets an error that says so, `./lab status` names the machine, Ray goes on, and the same program succeeds when there is
 * room again.
 */
import { nodeScript } from "../../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";
import { statusOf } from "../../tests/support/vmStatus.ts";
import { portOptions } from "./ray.ts";

const address = "10.77.0.10";
const venv = "/opt/disgrafs/venv";
/** MiB of Ray's store, of each object, and their number: more than the store holds. */
const store = 100;
const objects = { size: 25, count: 10 };

describe("Ray on one machine", () => {
  let vm: TestVm;
  beforeAll(async () => {
    vm = await startTestVm({ name: "ray-disk", cpus: 1, memoryMiB: 1536 });
    const runtime = await vm.check(
      `${venv}/bin/python -c 'import platform, importlib.metadata as m; print(platform.python_version(), m.version("ray"))'`,
    );
    const where = [address, address, "boot", "6380", "{}", runtime.trim(), String(store), "", ""];
    await vm.check(nodeScript("ray/start.sh", ["head", venv, ...where, ...portOptions()]), 900);
  }, 1_800_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  /** Keeps more objects than the store holds, and reads each again; what it printed. */
  const keepObjects = async (): Promise<string> =>
    (
      await vm.run(
        `${venv}/bin/python - 2>&1 <<'PYTHON'
import ray
ray.init("${address}:6380", log_to_driver=False, logging_level="ERROR")
try:
    kept = [ray.put(bytes([number]) * (${objects.size} << 20)) for number in range(${objects.count})]
    assert all(ray.get(each)[:1] == bytes([number]) for number, each in enumerate(kept))
    print("kept")
except ray.exceptions.RayError as error:
    print(type(error).__name__, error)
PYTHON`,
        900,
      )
    ).stdout;

  const problems = async (): Promise<readonly string[]> =>
    (await statusOf(vm, { name: "node1", role: "ray-head", address }, { health: { ray: "" } })).problems;

  it("wakes its pollers together when nothing happens, and leaves the sleeps of tasks as they are", async () => {
    const slack = await vm.check(
      `${venv}/bin/python - <<'PYTHON'
import glob, pathlib, time
def threads():
    for process in glob.glob("/proc/[0-9]*"):
        if pathlib.Path(process, "comm").read_text().strip() in ("raylet", "gcs_server"):
            for thread in pathlib.Path(process, "task").iterdir():
                slack = int(pathlib.Path("/proc", thread.name, "timerslack_ns").read_text())
                yield (thread / "comm").read_text().strip(), slack
end = time.time() + 240
while time.time() < end and not all(slack == 250_000_000 for name, slack in threads() if ".poll" in name):
    time.sleep(2)
found = list(threads())
print(len([name for name, slack in found if ".poll" in name and slack == 250_000_000]) >= 6)
print([slack for name, slack in found if ".poll" in name and slack != 250_000_000])
print({slack for name, slack in found if name in ("raylet", "gcs_server")})
import ray
ray.init("${address}:6380", log_to_driver=False, logging_level="ERROR")
task = ray.remote(lambda: int(pathlib.Path("/proc/self/timerslack_ns").read_text()))
print(ray.get(task.remote()))
PYTHON`,
      900,
    );
    expect(slack.trim().split("\n")).toEqual(["True", "[]", "{50000}", "50000"]);
  }, 1_200_000);

  it("says which machine is full, keeps Ray running, and works again when there is room", async () => {
    expect(await keepObjects()).toContain("kept");
    expect(await problems()).toEqual([]);
    await vm.check(
      "fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 60 * 1024 * 1024)) /var/tmp/full",
    );
    expect(await keepObjects()).toMatch(/^OutOfDiskError .*disk/s);
    expect(await problems()).toEqual([expect.stringMatching(/^node1: its disk is full \(\d+ MiB free\)$/)]);
    expect(await vm.check("systemctl show -p NRestarts --value ray.service")).toBe("0");
    await vm.check("rm /var/tmp/full");
    expect(await keepObjects()).toContain("kept");
    expect(await problems()).toEqual([]);
  }, 3_000_000);
});
