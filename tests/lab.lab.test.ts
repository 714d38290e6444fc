/**
 * A whole lab: up (killed half-way, and up again), use, another up without changes, a machine killed and brought back, from then on
 * with DisGraFS and monitoring, and down with nothing left. Each test continues from the previous one. twoLabs.long.test.ts has two
 * labs next to each other.
 */
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runSchema } from "../benchmarks/run.ts";
import { filesBelow } from "../workshop/files.ts";
import { checkout } from "../workshop/checkout.ts";
import { machineFolder, stackFolder } from "../stacks/local/paths.ts";
import { runningVm, vmState } from "../stacks/local/vm.ts";
import { eachKindIsFound } from "./support/eachKind.ts";
import { attack, attackedMeanwhile, labFolders } from "./support/neighbour.ts";
import { changes, onNode, pulumi, removeStack, story, succeed, upWith } from "./support/lab.ts";
import { panelsAreDrawn } from "./support/well.ts";

const stack = `labtest-${process.pid}`;
const minutes = (count: number): number => count * 60_000;

const on = (node: string, script: string): Promise<string> => onNode(stack, node, script);
const tale = story();
const { step } = tale;

/** Saves the machines' logs, so that they can be read after the machines are gone. */
async function keepLogs(): Promise<void> {
  const folder = join(checkout, ".lab", "test", "machines");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const node of ["meta", "node1", "node2"]) {
    const console = join(machineFolder(stack, node), "console.log");
    if (existsSync(console)) copyFileSync(console, join(folder, `${node}.console.log`));
    const journal = await on(
      node,
      "uptime; free -m; journalctl -q --no-pager -o short-monotonic -n 1000",
    ).catch(String);
    writeFileSync(join(folder, `${node}.journal.log`), `${journal}\n`);
  }
}

const start = new Date();
describe("a lab on this machine", () => {
  afterAll(async () => {
    if (tale.broken) await keepLogs();
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up after a first attempt that was killed half-way",
    async () => {
      const args = ["up", "--stack", stack, "-c", "benchmark=smoke"];
      const first = spawn(join(checkout, "lab"), args, { detached: true, stdio: "ignore", cwd: checkout });
      // The machines are running, but there is no service yet.
      const deadline = Date.now() + minutes(20);
      while (!["meta", "node1", "node2"].every((name) => runningVm(stack, name))) {
        if (Date.now() > deadline) throw new Error("the machines did not start in 20 minutes");
        await sleep(200);
      }
      await sleep(5000);
      process.kill(-first.pid!, "SIGKILL");
      const disks = ["meta", "node1", "node2"].map((name) => vmState(stack, name)?.id);
      await succeed(...args);
      expect(["meta", "node1", "node2"].map((name) => vmState(stack, name)?.id)).toEqual(disks);
    },
    minutes(40),
  );

  step(
    "has outputs with its nodes, health and benchmark",
    async () => {
      const outputs = JSON.parse(await pulumi("stack", "output", "--json", "-s", stack)) as Record<
        string,
        unknown
      >;
      expect(outputs).toMatchObject({
        mountPoint: "/mnt/jfs",
        rayAddress: "10.77.0.11:6380",
        nodes: [{ name: "meta" }, { name: "node1", roles: ["client", "ray-head"] }, { name: "node2" }],
      });
      expect(Object.keys(outputs.health as object).sort()).toEqual(["juicefs", "objects", "ray", "redis"]);
      expect((outputs.health as { ray: string }).ray).toContain("node1, node2");
      const summary = outputs.benchmarkSummary as { verdict: string }[];
      expect(summary.length).toBeGreaterThan(0);
      const run = outputs.benchmarkRun as { path: string };
      for (const file of ["run.json", "summary.csv", "report.html"]) {
        expect(existsSync(join(checkout, run.path, file))).toBe(true);
      }
      const { services, points } = runSchema.parse(
        JSON.parse(readFileSync(join(checkout, run.path, "run.json"), "utf8")),
      );
      // Each iostat ended on SIGINT. A window of less than a second has no sample.
      const gaps = points.flatMap(({ iostatGaps }) => Object.values(iostatGaps));
      expect(gaps.filter((gap) => !gap.startsWith("no sample"))).toEqual([]);
      expect(services).toEqual({
        redis: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
        "object store": expect.stringMatching(/^SeaweedFS \d+\.\d+$/) as string,
      });
    },
    minutes(5),
  );

  step(
    "shares one file system: written on node1, read on node2",
    async () => {
      await on("node1", "echo from node1 >/mnt/jfs/hello");
      expect(await on("node2", "cat /mnt/jfs/hello")).toBe("from node1");
      expect(await on("node2", "findmnt -no FSTYPE /mnt/jfs")).toBe("fuse.juicefs");
    },
    minutes(5),
  );

  step(
    "runs a Ray task on every node, and each reads that file",
    async () => {
      const program = [
        "import ray, socket",
        "from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Pin",
        "ray.init(address='10.77.0.11:6380', logging_level='ERROR', log_to_driver=False)",
        "@ray.remote(num_cpus=0)",
        "def read(): return socket.gethostname(), open('/mnt/jfs/hello').read().strip()",
        "nodes = [n['NodeID'] for n in ray.nodes() if n['Alive']]",
        "print(sorted(ray.get([read.options(scheduling_strategy=Pin(n, soft=False)).remote() for n in nodes])))",
      ].join("\n");
      const printed = await on(
        "node1",
        `/opt/disgrafs/venv/bin/python - <<'END' 2>/dev/null\n${program}\nEND`,
      );
      expect(printed).toBe("[('node1', 'from node1'), ('node2', 'from node1')]");
    },
    minutes(10),
  );

  step(
    "changes nothing at another up, or after a refresh",
    async () => {
      const again = await succeed("up", "--stack", stack);
      expect(changes(again)).toEqual([]);
      expect(again).toMatch(/\d+ unchanged/);
      expect(changes(await pulumi("refresh", "--yes", "--skip-preview", "-s", stack))).toEqual([]);
      expect(await pulumi("preview", "--expect-no-changes", "-s", stack)).toMatch(/\d+ unchanged/);
    },
    minutes(10),
  );

  step(
    "restarts no service for a setting that changes nothing, while another user of this computer attacks",
    async () => {
      const since =
        "systemctl show -p ActiveEnterTimestampMonotonic --value juicefs ray; cat /proc/sys/kernel/random/boot_id";
      const before = await on("node1", since);
      const accelerator = vmState(stack, "node1")!.accelerator;
      await attackedMeanwhile(succeed("up", "--stack", stack, "-c", `accelerator=${accelerator}`), start);
      expect(await on("node1", since)).toBe(before);
    },
    minutes(10),
  );

  step(
    "gives another user of this computer no access to files, sockets and processes",
    async () => {
      expect(await attack(labFolders, start)).toEqual([]);
      // What he could do, he would be seen to do.
      const folder = mkdtempSync(join(tmpdir(), "open-"));
      // The attacker goes as soon as he is connected: a greeting that was not read ends in a reset.
      const server = createServer((socket) => socket.on("error", () => undefined).end("welcome\n"));
      try {
        chmodSync(folder, 0o755);
        writeFileSync(join(folder, "file"), "", { mode: 0o644 });
        await new Promise<void>((resolve) => server.listen(join(folder, "socket"), resolve));
        chmodSync(join(folder, "socket"), 0o777);
        expect(await attack([folder], start)).toEqual([
          `read ${join(folder, "file")}`,
          `connect ${join(folder, "socket")}`,
        ]);
      } finally {
        server.close();
        rmSync(folder, { recursive: true });
      }
    },
    minutes(3),
  );

  step(
    "brings a killed machine back with its data, and adds DisGraFS and monitoring",
    async () => {
      process.kill(vmState(stack, "node2")!.process.pid, "SIGKILL");
      await sleep(1000);
      await upWith(stack, ["benchmark=none", "disgrafs=true", "monitoring=true"]);
      expect(await on("node2", "cat /mnt/jfs/hello")).toBe("from node1");
    },
    minutes(30),
  );

  step(
    "finds a file of each kind that node2 writes: from node1's shell, by ./lab find, and in the page",
    async () => {
      // A file of each client, by which DisGraFS was checked, and the one of before.
      await eachKindIsFound(stack, 3);
      await panelsAreDrawn(stack, ["meta", "node1", "node2"]);
    },
    minutes(15),
  );

  step(
    "has no secret in the state, the logs or a process's arguments, and still lets nobody in",
    async () => {
      expect(await attack(labFolders, start)).toEqual([]);
      const secrets = (
        await Promise.all([
          on("meta", "cat /etc/disgrafs/redis-password"),
          on("meta", "jq -r '.identities[0].credentials[0] | .accessKey, .secretKey' /etc/disgrafs/s3.json"),
          on("node1", "cat /etc/disgrafs/graph-password /etc/disgrafs/api-token"),
        ])
      ).flatMap((text) => text.split("\n"));
      expect(secrets).toEqual(
        Array.from({ length: 5 }, () => expect.stringMatching(/^[0-9a-f]{48}$/) as string),
      );
      // The tests' own backend (cli/commands/test.ts), and the lab's when this file is run by hand.
      const state =
        process.env.PULUMI_BACKEND_URL?.replace(/^file:\/\//, "") ?? join(checkout, ".lab", "state");
      const text = filesBelow(state)
        .map((file) => readFileSync(file, "utf8"))
        .join("\n");
      // This stack's record is in what is searched, with its secrets encrypted.
      expect(text).toContain(`urn:pulumi:${stack}::`);
      expect(text).toContain('"ciphertext"');
      expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
      // The pattern does not match the command itself.
      const patterns = secrets.map((secret) => `-e '[${secret[0] ?? ""}]${secret.slice(1)}'`).join(" ");
      const found = await Promise.all(
        ["meta", "node1", "node2"].map((node) =>
          on(
            node,
            `{ cat /proc/[0-9]*/cmdline; journalctl -q -o cat; } | tr '\\0' ' ' | grep -c ${patterns} || true`,
          ),
        ),
      );
      expect(found).toEqual(["0", "0", "0"]);
    },
    minutes(8),
  );

  step(
    "goes down without waiting for a killed machine, and nothing is left",
    async () => {
      process.kill(vmState(stack, "node2")!.process.pid, "SIGKILL");
      const start = Date.now();
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
      // It takes 5 s on an idle machine. Each step that waited for the dead machine would add 30 s.
      expect(Date.now() - start).toBeLessThan(minutes(2));
      expect(existsSync(stackFolder(stack))).toBe(false);
      const processes = readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, "utf8");
          } catch {
            return "";
          }
        });
      expect(processes.filter((line) => line.includes(stackFolder(stack)))).toEqual([]);
    },
    minutes(6),
  );
});
