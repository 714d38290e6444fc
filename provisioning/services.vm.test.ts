/**
 * The scripts of Redis, the object store and the mount on one real machine, with and without failures. Those of monitoring:
 * monitoring/services.long.test.ts.
 */
import { plug } from "../stacks/local/network.ts";
import { exposedCanaries } from "../tests/support/canaries.ts";
import { nodeScript } from "../tests/support/nodeScript.ts";
import {
  address,
  format,
  keys,
  meta,
  mount,
  mountPoint,
  password,
  startObjects,
  startRedis,
} from "../tests/support/services.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";
import { panels, turns } from "./monitoring/panels.ts";
import { prelude } from "./remote.ts";

describe("services on one machine", () => {
  let vm: TestVm;
  beforeAll(async () => {
    vm = await startTestVm({ name: "services", cpus: 1, memoryMiB: 1536 });
  }, 1_500_000);
  afterAll(async () => {
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

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
    expect(await vm.check(startRedis)).toMatch(/^8\./);
    const since = await vm.check("systemctl show -p ActiveEnterTimestampMonotonic --value redis-server");
    await vm.check(startRedis);
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
    expect(await vm.check(startObjects, 400)).toMatch(/^\d+\.\d+/);
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

  it("accepts each query of the dashboards", async () => {
    const rules = [...panels.flatMap(({ queries }) => queries), turns].map(({ expr }, index) => ({
      record: `query:${index}`,
      expr,
    }));
    const file = JSON.stringify({ groups: [{ name: "panels", rules }] });
    expect(
      await vm.check(`cat >/run/rules.yml <<'END'\n${file}\nEND\npromtool check rules /run/rules.yml`),
    ).toContain(`SUCCESS: ${rules.length} rules found`);
  }, 300_000);

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
    expect(await vm.check(exposedCanaries)).toBe("");
  }, 600_000);

  it("protects files with secrets from other users", async () => {
    const modes = await vm.check(
      "stat -c '%a %n' /etc/disgrafs/{redis-password,s3.json} /etc/redis/password.conf",
    );
    expect(modes.split("\n").map((line) => line.split(" ")[0])).toEqual(["600", "640", "640"]);
  }, 300_000);
});
