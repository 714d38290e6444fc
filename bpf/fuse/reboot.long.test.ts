/**
 * The cross-client checker on two machines of a lab while machines are rebooted: a client cleanly, a client abruptly, and the
 * machine with Redis and the object store. The workers on a rebooted client return as new ones, and the checker continues. The
 * extension also reads blocks in the kernel and lets the kernel keep answers. At the end an injected fault shows that the
 * checker detects one. Each test continues from the previous one.
 *
 * EFUSE_CHECK_SECONDS: duration of checking before, between and after the reboots (default 20, for hours 3600).
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { buildExtensions } from "../../workshop/builder/builder.ts";
import { metricsFile } from "../extension.ts";
import { sshConfigFile } from "../../stacks/local/paths.ts";
import { kernelsAskedFor } from "../../tests/support/kernels.ts";
import {
  changes,
  extensionVerdicts,
  onNode,
  removeStack,
  story,
  succeed,
  upWith,
} from "../../tests/support/lab.ts";

const stack = `reboot-${process.pid}`;
const boundMs = 1000;
const seconds = Number(process.env.EFUSE_CHECK_SECONDS ?? 20);
if (!(seconds >= 1)) throw new Error(`EFUSE_CHECK_SECONDS=${seconds}: must be at least 1`);
const minutes = (count: number): number => count * 60_000;
const limit = (count: number): number => minutes(count + seconds / 60);

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const on = (node: string, script: string): Promise<string> => onNode(stack, node, script);
/** Like `on`, for a machine that may be rebooting: empty if it does not answer in time. */
async function ask(node: string, command: string): Promise<string> {
  const ssh = ["-F", sshConfigFile(stack, node), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
  const { stdout } = await execa("ssh", [...ssh, node, command], {
    reject: false,
    timeout: 10_000,
    stdin: "ignore",
  });
  return stdout.trim();
}
async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + minutes(4);
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`timeout after 4 minutes: ${what}`);
    await sleep(2000);
  }
}

/** The checker's counts since its start. */
interface Counts {
  readonly seconds: number;
  readonly reads: number;
  readonly changes: number;
  readonly errors: number;
  readonly lost: number;
  readonly joined: number;
  readonly longest_ms: number;
  readonly oldest_ms: number;
  /** The first 64 opens that found nothing although their name always existed. */
  readonly missed: readonly { readonly client: number }[];
  readonly violations: Readonly<Record<string, number>>;
}
const none = { bound: 0, own: 0, close: 0, torn: 0, mixed: 0, missed: 0, impossible: 0 };

/** On node1's private address. */
const where = "10.77.0.11:7700";
const log = "/var/tmp/check.log";
const checker = `/opt/efuse-check --bound ${boundMs} --seed 1`;

/** The current counts, which the checker prints at SIGUSR1. */
async function counts(): Promise<Counts> {
  const line = await on(
    "node1",
    `had=$(grep -c '^{' ${log} || true)
    systemctl kill --kill-whom=main --signal=USR1 check
    for try in $(seq 100); do [ "$(grep -c '^{' ${log} || true)" -gt "$had" ] && break; sleep 0.2; done
    [ "$(grep -c '^{' ${log})" -gt "$had" ] && grep '^{' ${log} | tail -n 1`,
  );
  return JSON.parse(line) as Counts;
}

/** The extension's status. */
interface Status {
  readonly running: boolean;
  readonly facts?: { readonly serving: boolean; readonly asked: number; readonly hits: number };
}
const status = async (node: string): Promise<Status> =>
  JSON.parse(await on(node, "/opt/disgrafs/extensions/fuse/bin/fuse --status")) as Status;
const hits = async (node: string): Promise<number> => (await status(node)).facts?.hits ?? 0;
/** Pieces that the module has read from cached blocks since it was loaded. */
const piecesRead = async (node: string): Promise<number> =>
  Number(await on(node, `sed -n 's/^efuse_module_reads_total{result="read"} //p' ${metricsFile("fuse")}`));
const agent = (node: string): Promise<string> =>
  on(node, "systemctl show -P MainPID disgrafs-extension@fuse");
const serves = async (node: string): Promise<boolean> => (await status(node)).facts?.serving === true;

/**
 * Lets the checker run for a while, with hits on both clients, and returns its counts. `missed`: opens that had found nothing
 * before, on a client without the extension: JuiceFS's lookup and open are two requests, and the other client can replace the
 * name between them.
 */
async function judge(title: string, since?: Counts, missed = since?.violations.missed ?? 0): Promise<Counts> {
  const before = [await hits("node1"), await hits("node2")];
  await sleep(seconds * 1000);
  await until("a hit on each client", async () => {
    const now = [await hits("node1"), await hits("node2")];
    return now.every((count, index) => count > before[index]!);
  });
  const found = await counts();
  const gained = { reads: found.reads - (since?.reads ?? 0), changes: found.changes - (since?.changes ?? 0) };
  say(
    `${title}: ${gained.reads} reads, ${gained.changes} changes; in all ${JSON.stringify(found)}; ` +
      `hits ${await hits("node1")} on node1, ${await hits("node2")} on node2`,
  );
  expect(found.violations).toEqual({ ...none, missed });
  expect(gained.reads).toBeGreaterThan(20);
  expect(gained.changes).toBeGreaterThan(5);
  return found;
}

/** Runs `up` again, and returns what it changed. */
async function up(when: string): Promise<string[]> {
  const start = Date.now();
  const output = await succeed("up", "--stack", stack);
  say(`up ${when}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return changes(output);
}

/** Reboots a machine, and returns when it answers with another boot ID. */
async function reboot(node: string, command: string): Promise<void> {
  const boot = "cat /proc/sys/kernel/random/boot_id";
  const before = await on(node, boot);
  await on(node, `systemd-run -q --on-active=1 bash -c '${command}'`);
  const start = Date.now();
  await until(`another boot of ${node}`, async () => {
    const now = await ask(node, boot);
    return now !== "" && now !== before;
  });
  say(`${node} was back after ${Math.round((Date.now() - start) / 1000)} s`);
}

describe.each(kernelsAskedFor())("the checker over reboots on %s", (kernel) => {
  const tale = story();
  const { step } = tale;
  let last: Counts;

  afterAll(async () => {
    if (tale.broken) {
      say(await on("node1", `tail -n 50 ${log}`).catch(String));
      say(
        await on("node2", "journalctl -q --no-pager -n 60 -u juicefs -u 'check@*' -u 'disgrafs-*'").catch(
          String,
        ),
      );
    }
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up with the extension on both clients",
    async () => {
      // One CPU each: docs/fuse-extension.md, "A limit of emulation".
      const nodes = [
        { name: "meta", roles: ["meta", "objects"], memoryMiB: 1024 },
        { name: "node1", roles: ["client", "ray-head"], memoryMiB: 1792 },
        { name: "node2", roles: ["client"], memoryMiB: 1024 },
      ];
      const settings = [
        "benchmark=none",
        `kernel=${kernel}`,
        "extensions.fuse.mode=lease",
        `extensions.fuse.boundMs=${boundMs}`,
        "extensions.fuse.reads=cache",
        "extensions.fuse.kernelCache=true",
        "extensions.fuse.required=true",
        "topology=custom",
        ...nodes.flatMap(({ name, roles, memoryMiB }, index) => [
          `nodes[${index}].name=${name}`,
          ...roles.map((role, place) => `nodes[${index}].roles[${place}]=${role}`),
          `nodes[${index}].cpus=1`,
          `nodes[${index}].memoryMiB=${memoryMiB}`,
        ]),
      ];
      await upWith(stack, settings);
      const verdicts = await extensionVerdicts(stack);
      expect(verdicts.map(({ node, verdict }) => [node, verdict.supported])).toEqual([
        ["node1", true],
        ["node2", true],
      ]);
    },
    minutes(20),
  );

  step(
    "finds no violation before a reboot",
    async () => {
      const build = await buildExtensions(say);
      // The agent with faults is for the last test.
      for (const name of ["efuse-check", "efuse-agent-faulty"]) {
        const program = await readFile(join(build, kernel, "fuse.build", name));
        for (const node of ["node1", "node2"]) {
          const ssh = ["-F", sshConfigFile(stack, node), "-o", "BatchMode=yes", node];
          await execa("ssh", [...ssh, `cat >/opt/${name} && chmod 755 /opt/${name}`], { input: program });
        }
      }
      await on(
        "node1",
        `mkdir /mnt/jfs/check
        systemd-run -q --unit=check -p KillMode=mixed -p StandardOutput=truncate:/var/tmp/check.json \\
          -p StandardError=truncate:${log} ${checker} --seconds 360000 \\
          --accept ${where}:2 /mnt/jfs/check`,
      );
      // Stopped before the volume is unmounted; started after it is mounted, and restarted until then. sync: the unit must be
      // on the disk before the machine is reset.
      await on(
        "node2",
        `cat >/etc/systemd/system/check@.service <<'END'
[Unit]
After=juicefs.service
StartLimitIntervalSec=0
[Service]
ExecStart=/opt/efuse-check --join ${where} --client 100 /mnt/jfs/check
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
END
        systemctl daemon-reload; systemctl -q enable --now check@1 check@2; sync`,
      );
      await until("the checker's start", async () => (await ask("node1", `grep seed ${log}`)) !== "");
      last = await judge("nothing disturbed");
      expect(last).toMatchObject({ lost: 0, joined: 2 });
    },
    limit(8),
  );

  for (const [title, command] of [
    ["a client is rebooted cleanly", "systemctl reboot"],
    ["a client is reset", "echo b >/proc/sysrq-trigger"],
  ] as const) {
    step(
      `finds no violation when ${title}, and the next up loads the extension there again`,
      async () => {
        const other = await agent("node1");
        const before = last;
        await reboot("node2", command);
        await until(
          "the volume on node2",
          async () => (await ask("node2", "findmnt -no FSTYPE /mnt/jfs")) === "fuse.juicefs",
        );
        expect(await on("node2", "systemctl is-active juicefs")).toBe("active");
        await until("both workers of node2", async () => (await counts()).joined === before.joined + 2);
        expect(await counts()).toMatchObject({ lost: before.lost + 2 });
        // Until then, this client's requests go to the daemon.
        expect((await status("node2")).running).toBe(false);
        expect(await up("after that")).not.toEqual([]);
        await until("the extension on node2", () => serves("node2"));
        expect(await agent("node1")).toBe(other);
        const { missed, violations } = await counts();
        expect(missed.length).toBe(violations.missed);
        expect(missed.map(({ client }) => client)).toEqual(missed.map(() => 100));
        last = await judge(title, before, violations.missed);
      },
      limit(12),
    );
  }

  step(
    "finds no violation when Redis and the object store are rebooted, and both clients serve again without another up",
    async () => {
      const before = last;
      const agents = await Promise.all(["node1", "node2"].map(agent));
      await reboot("meta", "systemctl reboot");
      await until("both clients' lease", async () => (await serves("node1")) && (await serves("node2")));
      expect(await Promise.all(["node1", "node2"].map(agent))).toEqual(agents);
      last = await judge("Redis and the object store rebooted", before);
      expect(last).toMatchObject({ lost: before.lost, joined: before.joined });
      expect(await up("after that")).not.toEqual([]);
      expect(await Promise.all(["node1", "node2"].map(agent))).toEqual(agents);
      expect(await up("again")).toEqual([]);
    },
    limit(12),
  );

  step(
    "has found no violation in the whole run",
    async () => {
      await on("node1", "systemctl stop check");
      const result = JSON.parse(await on("node1", "cat /var/tmp/check.json")) as Counts;
      say(`at its end: ${JSON.stringify(result)}`);
      expect(result).toMatchObject({ violations: last.violations, lost: 4, joined: 6 });
      expect(result.oldest_ms).toBeLessThan(boundMs);
      const pieces = [await piecesRead("node1"), await piecesRead("node2")];
      say(`pieces read in the kernel: ${pieces.join(" on node1, ")} on node2`);
      expect(Math.min(...pieces)).toBeGreaterThan(0);
    },
    minutes(2),
  );

  step(
    "finds stale answers of the rebooted client when its agent ignores pushes and notifications",
    async () => {
      await on(
        "node2",
        `cp --remove-destination /opt/efuse-agent-faulty /opt/disgrafs/extensions/fuse/bin/fuse
        . /etc/disgrafs/extensions/fuse
        echo "OPTIONS='$OPTIONS --fault no-push,no-notify'" >/run/disgrafs/extension-fuse.env
        systemctl restart disgrafs-extension@fuse`,
      );
      await until("the extension on node2", () => serves("node2"));
      const found = await on(
        "node1",
        `${checker} --seconds 20 --accept ${where}:2 /mnt/jfs/check 2>/dev/null || true`,
      );
      say(`with a fault: ${found}`);
      expect((JSON.parse(found) as Counts).violations.bound).toBeGreaterThan(0);
    },
    minutes(4),
  );

  step(
    "goes down and leaves nothing",
    async () => {
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
    },
    minutes(6),
  );
});
