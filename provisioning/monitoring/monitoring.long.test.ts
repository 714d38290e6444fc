/**
 * Monitoring under faults, on one real machine: each fault is a clear line of `./lab status` and a gap in the charts, and
 * disturbs nothing else. Also Grafana's scripts, with a package made by the test that contains a small stand-in server.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { metricsOf, metricsScript } from "../../benchmarks/metrics.ts";
import type { LabStatus } from "../../cli/status/labStatus.ts";
import { runningVm } from "../../stacks/local/vm.ts";
import { makePackage } from "../../tests/support/aptRepository.ts";
import { nodeScript } from "../../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../../tests/support/vm.ts";
import { statusOf } from "../../tests/support/vmStatus.ts";
import { inCheckout } from "../../workshop/checkout.ts";
import { lookbackSeconds, prometheusConfig } from "./config.ts";
import { sections } from "./panels.ts";

const address = "10.77.0.10";
const url = `http://${address}:9090`;
/** A second node for Prometheus: a separate network namespace on the same machine. */
const other = "10.78.0.2";
const minutes = (count: number): number => count * 60_000;

describe("monitoring on one machine", () => {
  let vm: TestVm;
  beforeAll(async () => {
    vm = await startTestVm({ name: "monitoring", cpus: 1, memoryMiB: 1024 });
    await vm.check(nodeScript("redis/start.sh", [address, "6379"], ["canary-password"]), 400);
    await vm.push(inCheckout("provisioning/monitoring/iostat.py"), "/opt/disgrafs/monitoring");
    await vm.check(
      nodeScript(
        "monitoring/exporters.sh",
        [address, "9100", "6379", "9121", `${address}:9090`],
        ["canary-password"],
      ),
      400,
    );
    await vm.check(`
      ip netns add other
      ip link add to-other type veth peer name eth0 netns other
      ip addr add 10.78.0.1/24 dev to-other && ip link set to-other up
      ip -n other addr add ${other}/24 dev eth0 && ip -n other link set eth0 up
      systemd-run -q --unit=other ip netns exec other prometheus-node-exporter --web.listen-address=${other}:9100 \\
        --collector.disable-defaults --collector.meminfo`);
    const targets = [
      { node: "meta", address: `${address}:9100` },
      { node: "node1", address: `${other}:9100` },
    ];
    const config = prometheusConfig([
      { name: "node", targets },
      { name: "redis", targets: [{ node: "meta", address: `${address}:9121` }] },
    ]);
    const args = [address, "9090", String(lookbackSeconds), JSON.stringify(config)];
    await vm.check(nodeScript("monitoring/prometheus.sh", args), 400);
  }, minutes(30));
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, minutes(10));

  const status = (): Promise<LabStatus> =>
    statusOf(
      vm,
      { name: "meta", role: "meta", address },
      { health: { redis: "" }, monitoring: { prometheus: url } },
    );

  /** Waits until the status has exactly these problems, and returns it. */
  async function untilProblems(...problems: (string | RegExp)[]): Promise<LabStatus> {
    const deadline = Date.now() + minutes(4);
    let found = await status();
    const fits = (): boolean =>
      found.problems.length === problems.length &&
      problems.every((each) =>
        found.problems.some((line) => (typeof each === "string" ? line === each : each.test(line))),
      );
    while (!fits() && Date.now() < deadline) {
      await sleep(2000);
      found = await status();
    }
    expect(found.problems).toEqual(
      problems.map((each) => (typeof each === "string" ? each : (expect.stringMatching(each) as string))),
    );
    return found;
  }

  const clock = async (): Promise<number> => Number(await vm.check("date +%s"));
  /** The values of one line of a panel between two times of the machine's clock, as charts get them. */
  async function picture(
    title: string,
    line: string,
    start: number,
    end: number,
  ): Promise<(number | null)[]> {
    const window = { start, end };
    const { panels } = metricsOf(`${await vm.check(metricsScript(url, window))}\n`, window);
    const found = panels.find((panel) => panel.title === title);
    return found?.lines.find(({ name }) => name === line)?.values ?? [];
  }
  /** The line as a string: `|` for values, `.` for a gap, repeats removed. A scrape that a busy machine misses is a gap too. */
  const drawn = (values: readonly (number | null)[]): string =>
    values
      .map((value) => (value === null ? "." : "|"))
      .join("")
      .replaceAll(/(.)\1+/g, "$1");
  const gap = /^\|(\.\|)+$/;
  const redisAnswers = async (): Promise<void> => {
    const { services } = await status();
    expect(services.find(({ service }) => service === "Redis")).toMatchObject({
      state: "active",
      unanswered: [],
    });
  };

  it(
    "reports no problems if nothing is wrong",
    async () => {
      await untilProblems();
    },
    minutes(10),
  );

  it(
    "names a node that Prometheus cannot reach, and shows a gap",
    async () => {
      const start = await clock();
      await sleep(15_000);
      await vm.check("ip link set to-other down");
      await untilProblems(
        /^node1: Prometheus cannot scrape the job node: .*(deadline exceeded|no route to host|unreachable)/,
      );
      await sleep(15_000);
      await vm.check("ip link set to-other up");
      await untilProblems();
      await sleep(15_000);
      expect(drawn(await picture("Memory in use", "node1", start, await clock()))).toMatch(gap);
      const others = await picture("Memory in use", "meta", start, await clock());
      expect(others.filter((value) => value !== null).length / others.length).toBeGreaterThan(0.8);
    },
    minutes(15),
  );

  it(
    "names a dead exporter, and shows a gap",
    async () => {
      const start = await clock();
      await sleep(10_000);
      await vm.check("systemctl stop prometheus-redis-exporter");
      await untilProblems(
        /^meta: Redis exporter is inactive; \.\/lab logs .*meta says why$/,
        /^meta: Prometheus cannot scrape the job redis: .*connection refused/,
      );
      await redisAnswers();
      await vm.check("systemctl start prometheus-redis-exporter");
      await untilProblems();
      await sleep(10_000);
      expect(drawn(await picture("Redis memory", "meta", start, await clock()))).toMatch(gap);
    },
    minutes(15),
  );

  it(
    "reports a wrong clock, and has data again when the clock is right",
    async () => {
      await vm.check("date -s '+30 minutes'");
      await untilProblems(
        /^meta: its clock is (179\d|180\d) s ahead of this computer's: times of different nodes cannot be compared; \.\/lab up --stack \S+ sets it$/,
      );
      await sleep(20_000);
      await vm.check("date -s '-30 minutes'");
      await untilProblems();
      const back = await clock();
      await sleep(20_000);
      await redisAnswers();
      // Prometheus has stored samples from half an hour ahead, and must still store current ones.
      expect(drawn(await picture("Memory in use", "meta", back, await clock()))).toMatch(/\|$/);
    },
    minutes(15),
  );

  it(
    "reports a full disk of Prometheus, shows a gap, affects no other service, and continues when there is space",
    async () => {
      const data = "/var/lib/prometheus/metrics2";
      await vm.check(`
      systemctl stop prometheus
      mount -t tmpfs -o size=64m,uid=prometheus,gid=prometheus tmpfs ${data}
      systemctl start prometheus`);
      await untilProblems();
      const start = await clock();
      await sleep(10_000);
      await vm.check(`cat /dev/zero >${data}/full 2>/dev/null || true; sync`);
      const found = await untilProblems(
        "meta: Prometheus is not storing samples: is its disk full, or has its clock jumped? ./lab logs meta monitoring",
        /^meta: Prometheus could not write \d+ times since it started: is its disk full\?/,
      );
      expect(found.nodes[0]?.diskUsed).toBeLessThan(0.9);
      await redisAnswers();
      await vm.check(`rm ${data}/full`);
      await untilProblems(/^meta: Prometheus could not write/);
      await sleep(10_000);
      expect(drawn(await picture("Memory in use", "meta", start, await clock()))).toMatch(gap);
      await vm.check("systemctl restart prometheus");
      await untilProblems();
    },
    minutes(20),
  );

  it(
    "installs Grafana only on loopback, with the lab's settings and files, and removes it completely",
    async () => {
      const folder = "/opt/disgrafs/grafana";
      const here = mkdtempSync(join(tmpdir(), "grafana-"));
      const made = await makePackage(
        here,
        { name: "grafana", version: "13.2.3", depends: "adduser" },
        standIn,
      );
      const files = {
        package: made,
        ini: "grafana.ini",
        provisioning: "provisioning",
        dashboards: "dashboards",
      };
      for (const file of Object.values(files))
        await vm.push(file === made ? file : inCheckout("provisioning/monitoring/grafana", file), folder);
      await vm.check(`mv ${folder}/grafana_13.2.3_amd64.deb ${folder}/grafana.deb`);
      const start = (required: string, version = "13.2.3") =>
        nodeScript(
          "monitoring/grafana/start.sh",
          [folder, "3000", url, version, String(sections.length), "disgrafs", required],
          ["canary-Pa$sw0rd"],
        );
      expect(await vm.check(start("yes"), 400)).toBe("13.2.3");
      const since = "systemctl show -p ActiveEnterTimestampMonotonic --value grafana-server";
      const first = await vm.check(since);
      expect(await vm.check(start("yes"), 400)).toBe("13.2.3");
      expect(await vm.check(since)).toBe(first);
      expect(await vm.check("ss -Hltn 'sport = :3000' | awk '{print $4}'")).toBe("127.0.0.1:3000");
      expect(
        await vm.check(
          "stat -c '%a %U %G' /etc/disgrafs/grafana-password; cat /etc/disgrafs/grafana-password",
        ),
      ).toBe("640 root grafana\ncanary-Pa$sw0rd");
      // It cannot start: an error if it is required, a warning if it is not.
      await vm.check("chmod 000 /usr/share/grafana/server; systemctl stop grafana-server");
      const wanted = await vm.run(start("yes"), 400);
      const left = await vm.run(start("no"), 400);
      expect([wanted.exitCode, left.exitCode]).toEqual([1, 0]);
      expect(left.stderr).toMatch(
        /Grafana 13\.2\.3 is not up on vm, and the lab continues without it .*grafana=off/,
      );
      expect(`${wanted.stderr}${left.stderr}`).not.toContain("canary");
      await vm.check(nodeScript("monitoring/grafana/stop.sh", [folder]));
      expect(
        await vm.check(`ls -d ${folder} /etc/grafana /var/lib/grafana /etc/disgrafs/grafana* /etc/systemd/system/grafana* 2>/dev/null || true
        dpkg-query -W grafana 2>/dev/null || true`),
      ).toBe("");
      rmSync(here, { recursive: true });
    },
    minutes(20),
  );

  it(
    "is stopped and started by the benchmark's arm, which proves it with the number of scrapes",
    async () => {
      await vm.push(inCheckout("benchmarks/arms/monitoring.sh"), "/opt/arm");
      const arm = (action: string): Promise<string> =>
        vm.check(`bash /opt/arm/monitoring.sh ${action} /mnt/jfs`);
      const proof = async () => JSON.parse(await arm("prove")) as { active: boolean; count: number };
      await arm("check");
      await arm("disable");
      expect(await proof()).toEqual({ active: false, count: 0 });
      await arm("enable");
      const first = await proof();
      await sleep(15_000);
      const second = await proof();
      expect([first.active, second.active]).toEqual([true, true]);
      expect(second.count).toBeGreaterThan(first.count);
      await untilProblems();
    },
    minutes(10),
  );

  it(
    "reports a machine that is gone",
    async () => {
      process.kill(runningVm(vm.stack, "vm")!.process.pid, "SIGKILL");
      // The kernel takes some time to end it.
      while (runningVm(vm.stack, "vm")) await sleep(100);
      const { problems, ok } = await status();
      expect(ok).toBe(false);
      expect(problems[0]).toMatch(
        /^meta: the machine is not running; \.\/lab up --stack .* restarts local machines$/,
      );
    },
    minutes(5),
  );
});

/** A package like the vendor's: a unit, a settings file, and a server that answers the three requests of start.sh. */
const standIn = {
  "DEBIAN/conffiles": "/etc/default/grafana-server\n",
  "DEBIAN/postinst": `#!/bin/sh
set -e
adduser --system --group --quiet --home /usr/share/grafana --no-create-home grafana
mkdir -p /var/lib/grafana /etc/grafana
`,
  "etc/default/grafana-server": `CONF_FILE=/etc/grafana/grafana.ini
DATA_DIR=/var/lib/grafana
PROVISIONING_CFG_DIR=/etc/grafana/provisioning
`,
  "usr/lib/systemd/system/grafana-server.service": `[Service]
EnvironmentFile=/etc/default/grafana-server
User=grafana
Group=grafana
ExecStart=/usr/share/grafana/server \${CONF_FILE} \${PROVISIONING_CFG_DIR}
[Install]
WantedBy=multi-user.target
`,
  "usr/share/grafana/server": `#!/usr/bin/python3
import configparser, glob, http.server, json, os, re, sys, urllib.request
ini, provisioning = sys.argv[1:]
fill = lambda text: re.sub(r"\\$\\{?(\\w+)\\}?", lambda found: os.environ[found[1]], text)
settings = configparser.RawConfigParser()
assert settings.read(ini)
assert re.fullmatch(r"\\$__file\\{(.*)\\}", settings["security"]["admin_password"])
password = open(settings["security"]["admin_password"][8:-1]).read()
assert password == "canary-Pa$sw0rd\\n"
boards = re.search(r"path: (.*)", fill(open(provisioning + "/dashboards/disgrafs.yaml").read()))[1]
source = fill(open(provisioning + "/datasources/disgrafs.yaml").read())
class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, what):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(what).encode())
    def do_GET(self):
        if self.path == "/api/health":
            self.say({"database": "ok", "version": "13.2.3"})
        elif self.path.startswith("/api/search"):
            self.say([json.load(open(path))["title"] for path in glob.glob(boards + "/*.json")])
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"][0]
        assert "uid: " + asked["datasource"]["uid"] in source
        url = re.search(r"url: (.*)", source)[1] + "/api/v1/query?query=" + asked["expr"]
        self.say({"results": {"A": {"frames": json.load(urllib.request.urlopen(url))["data"]["result"]}}})
where = (settings["server"]["http_addr"], int(fill(settings["server"]["http_port"])))
http.server.ThreadingHTTPServer(where, Handler).serve_forever()
`,
} as const;
