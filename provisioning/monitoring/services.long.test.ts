/**
 * Monitoring of all services on one real machine: every panel of the dashboard, `./lab status`, iostat's figures, the lab's
 * page, and its removal. monitoring.long.test.ts has its faults; tests/monitoring.long.test.ts a whole lab.
 */
import { spawn, type ChildProcess } from "node:child_process";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { tunnel } from "../../cli/commands/open.ts";
import { serveDashboard } from "../../cli/dashboard.ts";
import { askNode, type NodeReport } from "../../cli/status/nodeReport.ts";
import { launchBrowser } from "../../tests/support/browser.ts";
import { exposedCanaries } from "../../tests/support/canaries.ts";
import { nodeScript } from "../../tests/support/nodeScript.ts";
import {
  address,
  format,
  meta,
  mount,
  mountPoint,
  password,
  startObjects,
  startRedis,
} from "../../tests/support/services.ts";
import { loginTo, startTestVm, type TestVm } from "../../tests/support/vm.ts";
import { inCheckout } from "../../workshop/checkout.ts";
import { freePort } from "../../workshop/freePort.ts";
import { untilListening } from "../../workshop/listening.ts";
import { prometheusConfig } from "./config.ts";
import { panels } from "./panels.ts";

describe("monitoring of the services on one machine", () => {
  let vm: TestVm;
  /** Prometheus through the tunnel. */
  let prometheus = "";
  const tunnels: ChildProcess[] = [];
  beforeAll(async () => {
    vm = await startTestVm({ name: "monitored", cpus: 1, memoryMiB: 1536 });
    for (const script of [startRedis, startObjects, format("disgrafs"), mount(meta)])
      await vm.check(script, 400);
  }, 1_500_000);
  afterAll(async () => {
    for (const each of tunnels) each.kill();
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  /** A local URL for an address inside the machine, as with `./lab open`. */
  async function openTunnel(to: string): Promise<string> {
    const port = await freePort();
    const child = spawn("bash", ["-c", `exec ${tunnel(loginTo(vm), port, to)}`], { stdio: "inherit" });
    tunnels.push(child);
    // A page that connects before the tunnel gets 502.
    expect(await untilListening(port, () => child.exitCode !== null)).toBe(true);
    return `http://127.0.0.1:${port}`;
  }

  /** Prometheus's current answer to a query. */
  async function seriesOf(expr: string): Promise<unknown[]> {
    const answer = await fetch(`${prometheus}/api/v1/query`, {
      method: "POST",
      body: new URLSearchParams({ query: expr }),
    });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { data: { result: unknown[] } }).data.result;
  }

  it("has data for every panel of the dashboard", async () => {
    await vm.push(inCheckout("provisioning/monitoring/iostat.py"), "/opt/disgrafs/monitoring");
    const exporters = [address, "9100", "6379", "9121", `${address}:9090`];
    await vm.check(nodeScript("monitoring/exporters.sh", exporters, [password]), 400);
    const jobs = { node: 9100, redis: 9121, juicefs: 9567 };
    const config = prometheusConfig(
      Object.entries(jobs).map(([name, number]) => ({
        name,
        targets: [{ node: "vm", address: `${address}:${number}` }],
      })),
    );
    const start = nodeScript("monitoring/prometheus.sh", [address, "9090", "20", JSON.stringify(config)]);
    expect(await vm.check(start, 400)).toBe("3");
    const since =
      "systemctl show -p ActiveEnterTimestampMonotonic --value prometheus prometheus-node-exporter";
    const first = await vm.check(since);
    expect(await vm.check(start)).toBe("3");
    expect(await vm.check(since)).toBe(first);

    // Work for every figure that leaves CPU time to the tested services.
    const work = `i=0; while [ -d ${mountPoint} ]; do i=$((i + 1)); echo $i >${mountPoint}/w; cat ${mountPoint}/w; sync; sleep 0.5; done`;
    await vm.check(`systemd-run -q --unit=work bash -c '${work}'`);
    prometheus = await openTunnel(`${address}:9090`);
    // Each query has to have data once: all of its series end for a moment when a busy machine misses a scrape.
    let empty = panels
      .filter(({ needs }) => needs === undefined)
      .flatMap((panel) => panel.queries.map(({ expr }) => expr));
    const deadline = Date.now() + 600_000;
    while (empty.length > 0 && Date.now() < deadline) {
      await sleep(3000);
      const left: string[] = [];
      for (const expr of empty) if ((await seriesOf(expr)).length === 0) left.push(expr);
      empty = left;
    }
    expect(empty).toEqual([]);
  }, 1_200_000);

  it("reports its state: what answers, and which exporter is dead", async () => {
    const questions = {
      mountPoint,
      redis: `${address}:6379`,
      objects: `${address}:8333`,
      api: "",
      prometheus: `${address}:9090`,
      index: "",
      taggers: "",
      units: ["redis-server.service", "weed.service", "juicefs.service", "prometheus-node-exporter.service"],
    };
    const ask = async (): Promise<NodeReport> => {
      const asked = await askNode(loginTo(vm), questions, { cwd: inCheckout(), env: process.env });
      if ("failure" in asked) throw new Error(asked.failure);
      return asked.report;
    };
    const well = await ask();
    expect(well).toMatchObject({
      answers: { mount: true, redis: true, objects: true },
      prometheus: { down: [], failedWrites: 0, storing: true },
      benchmark: null,
      extensions: [],
    });
    expect(well.units.map(({ unit, active }) => `${unit} ${active}`).sort()).toEqual(
      questions.units.map((unit) => `${unit} active`).sort(),
    );
    await vm.check("systemctl stop prometheus-node-exporter weed");
    const deadline = Date.now() + 120_000;
    let ill = await ask();
    while (ill.prometheus?.down?.length !== 1 && Date.now() < deadline) ill = await ask();
    expect(ill.prometheus?.down).toEqual([
      { job: "node", node: "vm", error: expect.stringContaining("connection refused") as string },
    ]);
    expect(ill.answers).toMatchObject({ redis: true, objects: false });
    await vm.check("systemctl start weed prometheus-node-exporter");
    while (!(await ask()).answers.objects && Date.now() < deadline) await sleep(1000);
    expect(await ask()).toMatchObject({ answers: { objects: true } });
  }, 600_000);

  it("has iostat's figures as metrics, which agree with the kernel's own counters", async () => {
    const file = "/var/lib/prometheus/node-exporter/disgrafs-iostat.prom";
    // Both measure the same writes: iostat's mean rate times the time that passed, and the counter's difference. On a busy
    // machine the loop takes longer than 15 s.
    const text = await vm.check(`
      counter() { awk '$3 == "nvme0n1" { print $8 }' /proc/diskstats; }
      ours() { sed -n 's/^disgrafs_iostat_writes_per_second{device="nvme0n1"} //p' ${file}; }
      now() { cut -d " " -f 1 /proc/uptime; }
      sum=0 before=$(counter) start=$(now)
      for second in $(seq 15); do sleep 1; sum=$(echo "$sum $(ours)" | awk '{ print $1 + $2 }'); done
      after=$(counter)
      echo "$sum $start $(now)" | awk '{ printf "%f ", $1 / 15 * ($3 - $2) }'
      echo "$((after - before)) $(grep -c ^disgrafs_iostat_ ${file})"`);
    const [said = 0, counted = 0, fields = 0] = text.split(" ").map(Number);
    expect(counted).toBeGreaterThan(0);
    // Samples may be read twice or missed; a wrong unit would make a far larger difference.
    expect(said / counted).toBeGreaterThan(0.4);
    expect(said / counted).toBeLessThan(2.5);
    expect(fields).toBeGreaterThanOrEqual(28);
    await vm.check("systemctl stop disgrafs-iostat");
    expect(await vm.run(`ls ${file}`)).toMatchObject({ exitCode: 2 });
    await vm.check("systemctl start disgrafs-iostat");
  }, 300_000);

  it("is shown by the lab's page: every panel has lines, and the browser reports no errors", async () => {
    const server = await serveDashboard(0, prometheus);
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      const faults: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
      });
      page.on("pageerror", (error) => faults.push(error.message));
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { timeout: 120_000 });
      const shown = panels.filter(({ needs }) => needs === undefined);
      await page
        .locator("canvas")
        .nth(shown.length - 1)
        .waitFor({ state: "attached", timeout: 300_000 });
      expect(await page.locator("#node option").allTextContents()).toEqual(["all", "vm"]);
      // The canvases exist before they are drawn.
      await page.locator("#state", { hasText: /: 1 node$/ }).waitFor({ timeout: 120_000 });
      // Panels of services that this machine does not have show what they need.
      expect(await page.locator(".chart.empty").allTextContents()).toEqual(
        panels.flatMap(({ needs }) => (needs === undefined ? [] : [`no data yet: needs ${needs}`])),
      );
      await page.keyboard.press(" ");
      expect(await page.locator("#live").textContent()).toBe("Stopped");
      expect(faults).toEqual([]);
    } finally {
      await browser.close();
      server.close();
      server.closeAllConnections();
    }
    await vm.check("systemctl stop work");
  }, 900_000);

  it("has no secret in the arguments of processes or in the journal, and protects its file", async () => {
    expect(await vm.check(exposedCanaries)).toBe("");
    expect(await vm.check("stat -c %a /etc/disgrafs/redis-exporter.env")).toBe("600");
  }, 300_000);

  it("has nothing left of the monitoring after its removal", async () => {
    for (const script of ["prometheusStop", "exportersStop"])
      await vm.check(nodeScript(`monitoring/${script}.sh`));
    expect(await vm.check("ss -Hltn '( sport = :9090 or sport = :9100 or sport = :9121 )'")).toBe("");
    const left = "ls -d /etc/disgrafs/redis-exporter.env /var/lib/prometheus/metrics2 2>/dev/null || true";
    expect(await vm.check(left)).toBe("");
  }, 600_000);
});
