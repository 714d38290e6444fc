/** Every service's scripts on one real machine, on good days and bad ones. */
import { setTimeout as sleep } from "node:timers/promises";
import { nodeScript } from "../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";
import { prometheusConfig } from "./monitoring/config.ts";
import { panels } from "./monitoring/grafana/dashboard.ts";

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
  beforeAll(async () => {
    vm = await startTestVm({ name: "services", memoryMiB: 1536 });
  }, 1_500_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  it("runs the kernel that was asked for, and refuses another", async () => {
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

  it("has Redis with a password on the private address only, and starts it once", async () => {
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

  it("has an object store that gives back what was put, and refuses strangers", async () => {
    const ports = ["8333", "9333", "8080", "8888"];
    expect(await vm.check(nodeScript("objects/start.sh", [address, ...ports], keys), 400)).toMatch(
      /^\d+\.\d+/,
    );
    const check = ["objects/check.sh", [`http://${address}:8333`, "disgrafs"]] as const;
    expect(await vm.check(nodeScript(...check, keys))).toBe("ok");
    // Clients check at the same time: this one is told that there is no bucket, and then another has made it.
    const late =
      'curl() { if [[ "$*" == *--head* && ! -e /run/late ]]; then touch /run/late; return 22; fi; command curl "$@"; }';
    expect(await vm.check(`${late}; export -f curl\n${nodeScript(...check, keys)}`)).toBe("ok");
    expect(await vm.check("ls /run/late")).toBe("/run/late");
    const { exitCode, stderr } = await vm.run(nodeScript(...check, ["canary-access", "wrong"]));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("refuses these keys");
  }, 600_000);

  it("formats a volume once, and refuses other settings without touching it", async () => {
    const uuid = await vm.check(format("disgrafs"));
    expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(await vm.check(format("disgrafs"))).toBe(uuid);
    const name = await vm.run(format("other"));
    expect(name.stderr).toContain('the volume in Redis has Name "disgrafs", and the settings say "other"');
    const bucket = await vm.run(format("disgrafs", "http://10.77.0.99:8333/disgrafs"));
    expect(bucket.stderr).toContain("the volume in Redis has Bucket");
    expect(await vm.check(format("disgrafs"))).toBe(uuid);
  }, 600_000);

  it("leaves nothing half-mounted when the mount fails", async () => {
    const { exitCode, stderr } = await vm.run(mount(`redis://${address}:6399/0`), 400);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("6399");
    expect(await vm.run(`mountpoint -q ${mountPoint}`)).toMatchObject({ exitCode: 32 });
    expect((await vm.run("systemctl is-active juicefs")).stdout).toMatch(/failed|inactive/);
  }, 600_000);

  it("mounts, reads back a stamp, and unmounts with nothing left", async () => {
    expect(await vm.check(mount(meta), 400)).toMatch(/^1\.4\./);
    const since = "systemctl show -p ActiveEnterTimestampMonotonic --value juicefs";
    const first = await vm.check(since);
    await vm.check(mount(meta));
    expect(await vm.check(since)).toBe(first);
    const stamp = await vm.check(nodeScript("juicefs/write.sh", [mountPoint]));
    expect(await vm.check(nodeScript("juicefs/read.sh", [mountPoint, stamp]))).toBe("1");
    await vm.check(nodeScript("juicefs/unmount.sh", [mountPoint, "/var/cache/juicefs"]), 400);
    expect(await vm.run(`mountpoint -q ${mountPoint}`)).toMatchObject({ exitCode: 32 });
  }, 600_000);

  it("is watched: every panel of the dashboard has something to show", async () => {
    await vm.check(mount(meta), 400);
    await vm.check(nodeScript("monitoring/exporters.sh", [address, "9100", "6379", "9121"], [password]), 400);
    const jobs = { node: 9100, redis: 9121, juicefs: 9567 };
    const config = prometheusConfig(
      Object.entries(jobs).map(([name, number]) => ({
        name,
        targets: [{ node: "vm", address: `${address}:${number}` }],
      })),
    );
    const start = nodeScript("monitoring/prometheus.sh", [address, "9090", JSON.stringify(config)]);
    expect(await vm.check(start, 400)).toBe("3");
    const since =
      "systemctl show -p ActiveEnterTimestampMonotonic --value prometheus prometheus-node-exporter";
    const first = await vm.check(since);
    expect(await vm.check(start)).toBe("3");
    expect(await vm.check(since)).toBe(first);

    const work = `i=0; while [ -d ${mountPoint} ]; do i=$((i + 1)); echo $i >${mountPoint}/w; cat ${mountPoint}/w; sync; done`;
    await vm.check(`systemd-run -q --unit=work bash -c '${work}'`);
    const ask = ({ expr }: { expr: string }): string =>
      `curl -sfG http://${address}:9090/api/v1/query --data-urlencode query@- <<'END' | jq '.data.result | length'\n${expr}\nEND\n`;
    const queries = panels.filter(({ extension }) => !extension).flatMap((panel) => panel.queries);
    const empty = async (): Promise<string[]> => {
      const counts = (await vm.check(queries.map(ask).join(""))).split("\n").map(Number);
      return queries.map(({ expr }) => expr).filter((_, index) => !(Number(counts[index]) > 0));
    };
    const deadline = Date.now() + 300_000;
    while ((await empty()).length > 0 && Date.now() < deadline) await sleep(3000);
    expect(await empty()).toEqual([]);
    await vm.check("systemctl stop work");
  }, 1_200_000);

  it("has no secret in any process's arguments, nor in the journal", async () => {
    await vm.check(mount(meta), 400);
    const found = await vm.check(
      "{ cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl -q -o cat; } | grep -o '[c]anary-[a-z]*' | sort -u || true",
    );
    expect(found).toBe("");
  }, 600_000);

  it("says which files a stranger may not read", async () => {
    const modes = await vm.check(
      "stat -c '%a %n' /etc/disgrafs/{redis-password,redis-exporter.env,s3.json} /etc/redis/password.conf",
    );
    expect(modes.split("\n").map((line) => line.split(" ")[0])).toEqual(["600", "600", "640", "640"]);
  }, 300_000);

  it("is watched no more, and nothing of that is left", async () => {
    for (const script of ["prometheusStop", "exportersStop"])
      await vm.check(nodeScript(`monitoring/${script}.sh`));
    expect(await vm.check("ss -Hltn '( sport = :9090 or sport = :9100 or sport = :9121 )'")).toBe("");
    const left = "ls -d /etc/disgrafs/redis-exporter.env /var/lib/prometheus/metrics2 2>/dev/null || true";
    expect(await vm.check(left)).toBe("");
  }, 600_000);
});
