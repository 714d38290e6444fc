/**
 * The extensions in a whole lab: their verdicts, their work on Redis and JuiceFS, a second `up` that changes nothing, and their
 * removal. Each test continues from the previous one. DISGRAFS_KERNELS: as in bpf/extensions.vm.test.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { ExtensionName } from "../bpf/table.ts";
import { checkout } from "../workshop/checkout.ts";
import { sshConfigFile } from "../stacks/local/paths.ts";
import { kernelsAskedFor } from "./support/kernels.ts";
import {
  changes,
  extensionVerdicts,
  onNode,
  pulumi,
  removeStack,
  story,
  succeed,
  upWith,
} from "./support/lab.ts";

const stack = `exttest-${process.pid}`;
const minutes = (count: number): number => count * 60_000;
const own = ["fuse-latency", "packet-dma", "redis-sockmap"] as const satisfies ExtensionName[];
const samePackets = readFileSync(join(checkout, "bpf/packet-dma/same_packets.py"), "utf8");

const on = (node: string, script: string): Promise<string> => onNode(stack, node, script);

interface Status {
  readonly running: boolean;
  readonly work?: number;
  readonly programs: readonly unknown[];
}
const status = async (node: string, name: ExtensionName): Promise<Status> =>
  JSON.parse(await on(node, `/opt/disgrafs/extensions/${name}/bin/${name} --status`)) as Status;

/** The extensions' pins, programs (by the prefix of their names) and files on a node. */
const leftOn = (node: string): Promise<string> =>
  on(
    node,
    `{ bpftool -j prog show | jq -r '.[].name // empty' | grep -E '^(fl|pd|rs)_'
      find /sys/fs/bpf/disgrafs /opt/disgrafs/extensions /etc/disgrafs/extensions -mindepth 1 -maxdepth 1 2>/dev/null
      find /var/tmp /run /var/log -maxdepth 1 -name 'disgrafs-*' | grep -E '${own.join("|")}'
      ip -d link | grep -o 'xdp.*'; systemctl list-units --no-legend 'disgrafs-extension@*'; } || true`,
  );

const redis = "REDISCLI_AUTH=$(cat /etc/disgrafs/redis-password) redis-cli -h 10.77.0.10";

describe.each(kernelsAskedFor())("a lab with extensions on %s", (kernel) => {
  const { step } = story();

  afterAll(async () => {
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up with all extensions supported, and proven by their programs' runs",
    async () => {
      const settings = [
        "benchmark=none",
        `kernel=${kernel}`,
        ...own.map((name) => `extensions.${name}.required=true`),
      ];
      await upWith(stack, settings);
      const found = await extensionVerdicts(stack);
      expect(found.map(({ extension, node }) => `${extension} on ${node}`)).toEqual([
        "fuse-latency on node1",
        "fuse-latency on node2",
        "packet-dma on node1",
        "packet-dma on node2",
        "redis-sockmap on meta",
      ]);
      for (const { extension, verdict } of found) {
        if (!verdict.supported) throw new Error(`${extension}: ${verdict.reason}`);
        expect(verdict.programs.reduce((sum, { runs }) => sum + runs, 0)).toBeGreaterThan(0);
      }
    },
    minutes(20),
  );

  step(
    "counts the work of Redis and JuiceFS",
    async () => {
      const before = await Promise.all([status("node1", "fuse-latency"), status("node1", "packet-dma")]);
      const local = await status("meta", "redis-sockmap");
      await on(
        "node1",
        `head -c 300000 /dev/urandom >/mnt/jfs/counted && ls -l /mnt/jfs >/dev/null && ${redis} ping`,
      );
      // From a process in the extension's cgroup to Redis on the same machine.
      await on(
        "meta",
        `systemd-run -q --scope --slice=system.slice bash -c '${redis} set sockmap-test 1 && ${redis} del sockmap-test'`,
      );
      const after = await Promise.all([status("node1", "fuse-latency"), status("node1", "packet-dma")]);
      for (const [index, now] of after.entries()) {
        expect(now.running).toBe(true);
        expect(now.work).toBeGreaterThan(before[index]!.work!);
      }
      expect((await status("meta", "redis-sockmap")).work).toBeGreaterThan(local.work!);
    },
    minutes(3),
  );

  step(
    "captures the packets between nodes in both directions, with the same bytes as tcpdump",
    async () => {
      // The extension is not installed on meta, but its loader is one static file.
      const loader = "/opt/disgrafs/extensions/packet-dma/bin/packet-dma";
      const binary = await execa(
        "ssh",
        ["-F", sshConfigFile(stack, "node1"), "-o", "BatchMode=yes", "node1", `cat ${loader}`],
        { encoding: "buffer" },
      );
      await execa(
        "ssh",
        [
          "-F",
          sshConfigFile(stack, "meta"),
          "-o",
          "BatchMode=yes",
          "meta",
          "cat >/var/tmp/pd && chmod 700 /var/tmp/pd",
        ],
        { input: binary.stdout },
      );
      // GRO is off, because it joins packets after XDP has seen them.
      const begin = (address: string): string => `
        card=$(ip -o -4 address | awk -v of=${address}/ 'index($4, of) == 1 { print $2 }')
        ethtool -K "$card" gro off
        systemd-run -q --unit=truth tcpdump -Z root -Q in -i "$card" -B 16384 --nano -U -w /run/truth.pcap
        for try in $(seq 300); do [ -s /run/truth.pcap ] && break; sleep 0.2; done; [ -s /run/truth.pcap ]`;
      // When tcpdump has written a later packet, it has written all earlier ones.
      const last = Buffer.from("the last packet!");
      const ping = (address: string): string => `ping -q -c 1 -W 30 -p ${last.toString("hex")} ${address}`;
      const end = (ours: string): string => `
        for try in $(seq 300); do grep -qa '${last.toString()}' /run/truth.pcap && break; sleep 0.2; done
        systemctl stop truth
        python3 -c '${samePackets.replaceAll("'", "'\\''")}' /run/truth.pcap ${ours}`;
      const captured = "/var/tmp/disgrafs-packet-dma.pcap";
      await on("node1", `${begin("10.77.0.11")}; systemctl restart disgrafs-extension@packet-dma`);
      await on(
        "meta",
        `${begin("10.77.0.10")}
        systemd-run -q --unit=ours -p Type=notify /var/tmp/pd --interface 10.77.0.10 --write /run/ours.pcap`,
      );
      await on(
        "node1",
        `head -c 200000 /dev/urandom | base64 -w 0 >/run/value
        ${redis} -x set two-nodes </run/value >/dev/null
        ${redis} --raw get two-nodes | head -c -1 | cmp - /run/value
        ${redis} del two-nodes >/dev/null
        head -c 2000000 /dev/urandom >/run/file && cp /run/file /mnt/jfs/two-nodes && sync /mnt/jfs/two-nodes
        rm -rf /var/cache/juicefs/*/raw && echo 3 >/proc/sys/vm/drop_caches
        cmp /run/file /mnt/jfs/two-nodes && rm /mnt/jfs/two-nodes`,
      );
      await on("meta", "systemctl stop ours; rm -f /var/tmp/pd /run/disgrafs-packet-dma.*");
      await on("node1", "systemctl stop disgrafs-extension@packet-dma");
      // Its question is meta's last packet, its answer node1's.
      await on("node1", ping("10.77.0.10"));
      const seen = [await on("node1", end(captured)), await on("meta", end("/run/ours.pcap"))];
      process.stderr.write(`${seen.join("\n")}\n`);
      for (const line of seen) {
        // Both kinds of traffic are in the capture: the value's 267 kB and the file's 2 MB.
        expect(Number(/(\d+) bytes/.exec(line)![1])).toBeGreaterThan(2_000_000);
      }
      expect(await on("node1", `stat -c %a ${captured}`)).toBe("600");
      await on("node1", "systemctl start disgrafs-extension@packet-dma");
    },
    minutes(5),
  );

  step(
    "changes nothing at another up",
    async () => {
      const again = await succeed("up", "--stack", stack);
      expect(changes(again)).toEqual([]);
      expect(again).toMatch(/\d+ unchanged/);
    },
    minutes(3),
  );

  step(
    "removes an extension that is no longer in the settings, and keeps the others",
    async () => {
      await pulumi("config", "rm", "--path", "extensions.packet-dma", "-s", stack);
      await succeed("up", "--stack", stack);
      expect((await extensionVerdicts(stack)).map(({ extension }) => extension)).toEqual([
        "fuse-latency",
        "fuse-latency",
        "redis-sockmap",
      ]);
      const left = await leftOn("node1");
      expect(left).not.toMatch(/packet-dma|pd_|xdp/);
      expect(left).toContain("fl_");
      expect((await status("node1", "fuse-latency")).running).toBe(true);
    },
    minutes(5),
  );

  step(
    "has no traces of extensions on the nodes without settings for them, and goes down",
    async () => {
      for (const name of own.filter((each) => each !== "packet-dma")) {
        await pulumi("config", "rm", "--path", `extensions.${name}`, "-s", stack);
      }
      await succeed("up", "--stack", stack);
      expect(await Promise.all(["meta", "node1", "node2"].map(leftOn))).toEqual(["", "", ""]);
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
    },
    minutes(6),
  );
});
