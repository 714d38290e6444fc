/** The scripts of all services on one real machine, with and without failures. */
import { spawn, type ChildProcess } from "node:child_process";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { tunnel } from "../cli/commands/open.ts";
import { serveDashboard } from "../cli/dashboard.ts";
import { askNode, type NodeReport } from "../cli/status/nodeReport.ts";
import { sshConfigFile } from "../stacks/local/paths.ts";
import { launchBrowser } from "../tests/support/browser.ts";
import { freePort } from "../workshop/freePort.ts";
import { untilListening } from "../workshop/listening.ts";
import { nodeScript } from "../tests/support/nodeScript.ts";
import { plug } from "../stacks/local/network.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";
import { inCheckout } from "../workshop/checkout.ts";
import { prelude } from "./remote.ts";
import { quote } from "./shell.ts";
import { prometheusConfig } from "./monitoring/config.ts";
import { panels, turns } from "./monitoring/panels.ts";

const address = "10.77.0.10";
const password = "canary-password";
const keys = ["canary-access", "canary-secret"];
const meta = `redis://${address}:6379/0`;
const mountPoint = "/mnt/a b".replace(" ", "-");
const mount = (url: string) =>
  nodeScript("juicefs/mount.sh", [
    url,
    mountPoint,
    "/var/cache/juicefs",
    `${address}:9567`,
    "--attr-cache=1",
    "--buffer-size=64",
  ]);
const format = (volume: string, bucket = `http://${address}:8333/disgrafs`) =>
  nodeScript("juicefs/format.sh", [meta, volume, "s3", bucket], keys);

describe("services on one machine", () => {
  let vm: TestVm;
  /** Prometheus through the tunnel. */
  let prometheus = "";
  const tunnels: ChildProcess[] = [];
  beforeAll(async () => {
    vm = await startTestVm({ name: "services", cpus: 1, memoryMiB: 1536 });
  }, 1_500_000);
  afterAll(async () => {
    for (const each of tunnels) each.kill();
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  const login = (): string => `ssh -F ${quote(sshConfigFile(vm.stack, "vm"))} vm`;

  /** A local URL for an address inside the machine, as with `./lab open`. */
  async function openTunnel(to: string): Promise<string> {
    const port = await freePort();
    const child = spawn("bash", ["-c", `exec ${tunnel(login(), port, to)}`], { stdio: "inherit" });
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

  it("runs the requested kernel, and refuses another", async () => {
    const release = await vm.check("uname -r");
    expect(await vm.check(nodeScript("node/ready.sh", ["^6[.]12[.]", "/opt/disgrafs/venv", "boot"]))).toMatch(
      new RegExp(`^${release.replaceAll(/[.+]/g, "\\$&")} 3\\.13\\.\\d+ 2\\.60\\.0$`),
    );
    const { exitCode, stderr } = await vm.run(
      nodeScript("node/ready.sh", ["^7[.]", "/opt/disgrafs/venv", "boot"]),
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`this machine runs Linux ${release}`);
  }, 600_000);

  it("answers on the private network to other cards of its switch", async () => {
    const card = await plug(vm.stack);
    // An ARP request for 10.77.0.10 (RFC 826); the answer begins with the machine's address.
    const from = "525400770063";
    const arp = `${"ff".repeat(6)}${from}08060001080006040001${from}0a4d0063${"00".repeat(6)}0a4d000a`;
    const answer = new Promise<string>((resolve) => {
      let text = "";
      card.on("data", (chunk) => {
        text += chunk.toString("hex");
        const found = new RegExp(`${from}5254007700..08060001080006040002`).exec(text);
        if (found) resolve(found[0]);
      });
      card.resume();
    });
    const asking = setInterval(() => card.write(Buffer.from(`0000002a${arp}`, "hex")), 200);
    expect(await answer).toContain("52540077000a");
    clearInterval(asking);
    card.destroy();
  }, 60_000);

  it("has Redis with a password only on the private address, and starts it once", async () => {
    const start = nodeScript("redis/start.sh", [address, "6379"], [password]);
    expect(await vm.check(start)).toMatch(/^8\./);
    const since = await vm.check("systemctl show -p ActiveEnterTimestampMonotonic --value redis-server");
    await vm.check(start);
    expect(await vm.check("systemctl show -p ActiveEnterTimestampMonotonic --value redis-server")).toBe(
      since,
    );
    expect(await vm.check("ss -Hltn 'sport = :6379' | awk '{print $4}'")).toBe(`${address}:6379`);
    expect(
      Number(await vm.check(nodeScript("redis/check.sh", [address, "6379"], [password]))),
    ).toBeGreaterThan(0);
  }, 600_000);

  it("finds a Redis that would evict keys", async () => {
    const redis = `REDISCLI_AUTH=${password} redis-cli -h ${address} config set maxmemory-policy`;
    await vm.check(`${redis} allkeys-lru`);
    const { exitCode, stderr } = await vm.run(nodeScript("redis/check.sh", [address, "6379"], [password]));
    await vm.check(`${redis} noeviction`);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("Redis evicts keys (maxmemory-policy allkeys-lru)");
  }, 600_000);

  it("has an object store that returns stored data, and refuses requests without the key", async () => {
    const ports = ["8333", "9333", "8080", "8888"];
    expect(await vm.check(nodeScript("objects/start.sh", [address, ...ports], keys), 400)).toMatch(
      /^\d+\.\d+/,
    );
    const check = ["objects/check.sh", [`http://${address}:8333`, "disgrafs"]] as const;
    expect(await vm.check(nodeScript(...check, keys))).toBe("ok");
    // Clients check concurrently: this one finds no bucket, and then another creates it.
    const late =
      'curl() { if [[ "$*" == *--head* && ! -e /run/late ]]; then touch /run/late; return 22; fi; command curl "$@"; }';
    expect(await vm.check(`${late}; export -f curl\n${nodeScript(...check, keys)}`)).toBe("ok");
    expect(await vm.check("ls /run/late")).toBe("/run/late");
    const { exitCode, stderr } = await vm.run(nodeScript(...check, ["canary-access", "wrong"]));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("refuses these keys");
  }, 600_000);

  it("opens only S3's port of the object store to other machines", async () => {
    const open = await vm.check("ss -Hltnp | grep weed | awk '{print $4}' | grep -v '^127.0.0.1:' | sort");
    expect(open.split("\n")).toEqual([`${address}:18333`, `${address}:8333`]);
    expect(await vm.check("nft list table inet disgrafs_weed")).toContain(
      'iifname != "lo" tcp dport 18333 reject',
    );
  }, 60_000);

  it("formats a volume once, and refuses other settings without changing it", async () => {
    const uuid = await vm.check(format("disgrafs"));
    expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(await vm.check(format("disgrafs"))).toBe(uuid);
    const name = await vm.run(format("other"));
    expect(name.stderr).toContain('the volume in Redis has Name "disgrafs", but the settings say "other"');
    const bucket = await vm.run(format("disgrafs", "http://10.77.0.99:8333/disgrafs"));
    expect(bucket.stderr).toContain("the volume in Redis has Bucket");
    expect(await vm.check(format("disgrafs"))).toBe(uuid);
  }, 600_000);

  it("leaves nothing mounted if the mount fails", async () => {
    const { exitCode, stderr } = await vm.run(
      mount(`redis://${address}:6399/0?max-retry-backoff=100ms`),
      400,
    );
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("6399");
    expect(await vm.run(`mountpoint -q ${mountPoint}`)).toMatchObject({ exitCode: 32 });
    expect((await vm.run("systemctl is-active juicefs")).stdout).toMatch(/failed|inactive/);
  }, 600_000);

  it("mounts, reads back a file, and unmounts completely", async () => {
    expect(await vm.check(mount(meta), 400)).toMatch(/^1\.4\./);
    const since = "systemctl show -p ActiveEnterTimestampMonotonic --value juicefs";
    const first = await vm.check(since);
    await vm.check(mount(meta));
    expect(await vm.check(since)).toBe(first);
    const stamp = await vm.check(nodeScript("juicefs/write.sh", [mountPoint]));
    const uuid = await vm.check(format("disgrafs"));
    await vm.check("touch /var/cache/juicefs/keep");
    expect(await vm.check(nodeScript("juicefs/read.sh", [mountPoint, stamp]))).toBe("1");
    await vm.check(nodeScript("juicefs/unmount.sh", [mountPoint, "/var/cache/juicefs", uuid]), 400);
    expect(await vm.check("ls /var/cache/juicefs")).toBe("keep");
    // The folder was created for the mount and is empty.
    expect(await vm.run(`ls -d ${mountPoint}`)).toMatchObject({ exitCode: 2, stdout: "" });
  }, 600_000);

  it("has data for every panel of the dashboard", async () => {
    await vm.check(mount(meta), 400);
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

  it("accepts each query of the dashboards, even for services that it does not have", async () => {
    const rules = [...panels.flatMap(({ queries }) => queries), turns].map(({ expr }, index) => ({
      record: `query:${index}`,
      expr,
    }));
    const file = JSON.stringify({ groups: [{ name: "panels", rules }] });
    expect(
      await vm.check(`cat >/run/rules.yml <<'END'\n${file}\nEND\npromtool check rules /run/rules.yml`),
    ).toContain(`SUCCESS: ${rules.length} rules found`);
  }, 300_000);

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
      const asked = await askNode(login(), questions, { cwd: inCheckout(), env: process.env });
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

  it("has Redis again, without a step, after a power cut that left zeros at the end of its file", async () => {
    const redis = `REDISCLI_AUTH=${password} redis-cli -h ${address}`;
    await vm.check(`${redis} set disgrafs:kept yes; ${redis} waitaof 1 0 5000`);
    const newest = "f=$(ls -t /var/lib/redis/appendonlydir/*.incr.aof | head -n 1)";
    await vm.check(`${newest}; systemctl kill -s KILL redis-server; systemctl stop redis-server
      head -c 4096 /dev/zero >>"$f"; stat -c '%s %U' "$f" >/run/damaged
      systemctl start redis-server`);
    const answers = `until [ "$(${redis} ping)" = PONG ]; do sleep 0.5; done; ${redis} get disgrafs:kept`;
    expect(await vm.check(answers)).toBe("yes");
    const said = "journalctl -q -u redis-server -o cat | grep -c 'ended with 4096 zeros' || true";
    expect(await vm.check(said)).toBe("1");
    // As it was, beside.
    const copies = "stat -c '%s %U' /var/lib/redis/damaged-*.incr.aof";
    expect(await vm.check(`cat /run/damaged; ${copies}`)).toMatch(/^(\d+ redis)\n\1$/);
    await vm.check(`systemctl restart redis-server; ${answers}`);
    expect(await vm.check(`${said}; ${copies} | wc -l`)).toBe("1\n1");
  }, 600_000);

  it("keeps waiting for a unit that is working, and gives up on one that is not", async () => {
    const busy = (what: string) => `${prelude}
      systemd-run -q --unit=work-${what} --property=RemainAfterExit=yes sh -c '${what === "busy" ? "while ! [ -e /run/enough ]; do :; done; touch /run/done" : "sleep 1000"}'
      unit_of_step=work-${what}.service
      ( sleep 12; touch /run/enough ) &
      wait_for 4 "the work" test -e /run/done`;
    expect((await vm.run(busy("idle"))).stderr).toContain("the work did not come in time");
    await vm.check("sleep 14; rm -f /run/enough");
    await vm.check(busy("busy"));
    await vm.check("systemctl stop work-busy work-idle");
  }, 300_000);

  it("starts a unit with the service that wants it, after it has died, too", async () => {
    const unit = (name: string, more: string) => `cat >/etc/systemd/system/${name}.service <<END
[Unit]
${more}
[Service]
ExecStart=sleep 1000
${name === "leads" ? "Restart=on-failure\nRestartSec=1" : ""}
[Install]
WantedBy=${name === "follows" ? "leads.service" : "multi-user.target"}
END
start_unit ${name}.service no`;
    await vm.check(`${prelude}
${unit("leads", "Description=leads")}
${unit("follows", "BindsTo=leads.service\nAfter=leads.service")}
systemctl kill -s KILL leads.service`);
    const restarted = "[ $(systemctl show -p NRestarts --value leads) -gt 0 ]";
    await vm.check(`until ${restarted} && systemctl -q is-active leads; do sleep 0.5; done`, 60);
    // It was stopped with the other unit, and is started with it.
    await vm.check("until systemctl -q is-active follows; do sleep 0.5; done", 60);
    await vm.check(`${prelude}
end_units follows.service leads.service
rm /etc/systemd/system/{leads,follows}.service
systemctl daemon-reload`);
  }, 300_000);

  it("has no secret in the arguments of processes or in the journal", async () => {
    await vm.check(mount(meta), 400);
    const found = await vm.check(
      "{ cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl -q -o cat; } | grep -o '[c]anary-[a-z]*' | sort -u || true",
    );
    expect(found).toBe("");
  }, 600_000);

  it("protects files with secrets from other users", async () => {
    const modes = await vm.check(
      "stat -c '%a %n' /etc/disgrafs/{redis-password,redis-exporter.env,s3.json} /etc/redis/password.conf",
    );
    expect(modes.split("\n").map((line) => line.split(" ")[0])).toEqual(["600", "600", "640", "640"]);
  }, 300_000);

  it("has nothing left of the monitoring after its removal", async () => {
    for (const script of ["prometheusStop", "exportersStop"])
      await vm.check(nodeScript(`monitoring/${script}.sh`));
    expect(await vm.check("ss -Hltn '( sport = :9090 or sport = :9100 or sport = :9121 )'")).toBe("");
    const left = "ls -d /etc/disgrafs/redis-exporter.env /var/lib/prometheus/metrics2 2>/dev/null || true";
    expect(await vm.check(left)).toBe("");
  }, 600_000);
});
