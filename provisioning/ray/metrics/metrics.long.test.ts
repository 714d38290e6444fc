/** Ray's own metrics on a real machine: each series that a panel asks for is there, with the labels that the panel uses. */
import { basename, join } from "node:path";
import { nodeScript } from "../../../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../../../tests/support/vm.ts";
import { ensureRayMetrics } from "../../../workshop/rayMetrics.ts";
import { panels } from "../../monitoring/panels.ts";
import { port } from "../../ports.ts";
import { portOptions } from "../ray.ts";

const address = "10.77.0.10";
const venv = "/opt/disgrafs/venv";
const folder = "/opt/disgrafs/ray-metrics";
const metrics = `http://${address}:${port("rayMetrics")}/metrics`;

/** Names and labels of the series in Ray's panels; `node` is Prometheus'. */
const wanted = panels
  .flatMap(({ queries }) => queries)
  .flatMap(({ expr }) => {
    const [, by = "", name] = /by \(([^)]*)\) \((ray_\w+)/.exec(expr) ?? [];
    return name === undefined ? [] : [{ name, labels: by.split(", ").filter((label) => label !== "node") }];
  });

describe("Ray's own metrics", () => {
  let vm: TestVm;
  const start = async (packages: string): Promise<void> => {
    const runtime = await vm.check(
      `${venv}/bin/python -c 'import platform, importlib.metadata as m; print(platform.python_version(), m.version("ray"))'`,
    );
    const where = [
      address,
      address,
      "boot",
      "6380",
      "{}",
      runtime.trim(),
      "100",
      packages,
      String(port("rayClient")),
    ];
    await vm.check(nodeScript("ray/start.sh", ["head", venv, ...where, ...portOptions()]), 900);
  };
  beforeAll(async () => {
    vm = await startTestVm({ name: "ray-metrics", cpus: 1, memoryMiB: 1536 });
    const packages = await ensureRayMetrics((line) => process.stderr.write(`${line}\n`));
    await vm.push(packages, folder);
    await start(join(folder, basename(packages)));
  }, 1_800_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  it("are exported while a driver has tasks, and are gone without the packages", async () => {
    expect(wanted.map(({ name }) => name)).toContain("ray_tasks");
    const seen = await vm.check(
      `${venv}/bin/python - <<'PYTHON'
import ray, time, urllib.request
ray.init("${address}:6380", log_to_driver=False, logging_level="ERROR")
@ray.remote
def task(number):
    return number
wanted = ${JSON.stringify(wanted.map(({ name }) => name))}
kept = ray.put(bytes(1 << 20))
for _ in range(60):
    ray.get([task.remote(number) for number in range(10)])
    try:
        lines = urllib.request.urlopen("${metrics}", timeout=60).read().decode().splitlines()
    except OSError:
        lines = []
    found = [line for line in lines if line.split("{")[0] in wanted]
    if all(any(line.startswith(name + "{") for line in found) for name in wanted):
        break
    time.sleep(5)
print("\\n".join(found))
PYTHON`,
      1500,
    );
    for (const { name, labels } of wanted) {
      const series = seen.split("\n").filter((line) => line.startsWith(`${name}{`));
      expect({ name, series: series.length > 0 }).toEqual({ name, series: true });
      for (const label of labels) expect(series.every((line) => line.includes(`${label}="`))).toBe(true);
    }
    await start("");
    expect((await vm.run(`curl -sf --max-time 20 ${metrics}`)).exitCode).toBe(7);
  }, 3_000_000);
});
