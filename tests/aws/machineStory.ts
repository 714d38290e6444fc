/** Tests of a lab on AWS with a real machine, for different kinds of machine images. */
import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { execa } from "execa";
import { inCheckout } from "../../workshop/checkout.ts";
import { program } from "../../provisioning/shell.ts";
import { installedMarker } from "../../stacks/aws/machine/userData.ts";
import { sshFolder } from "../../stacks/aws/access/sshFiles.ts";
import { story } from "../support/lab.ts";
import { Cloud } from "./cloud.ts";
import { roleAccessKey } from "./ec2/metadata.ts";
import type { Ec2Image } from "./ec2/image.ts";
import { LocalMachines } from "./ec2/machines.ts";
import { LabProject } from "./labProject.ts";

const minutes = 60_000;

/**
 * The whole program on AWS, with a machine behind its instance: a local VM that reads its user data with the real
 * cloud-init, from a metadata service like EC2's, and stores JuiceFS's blocks in moto's S3. Each test continues from the
 * previous one.
 * @param kind of the machine's image: see ec2/image.ts
 */
export function machineStory(kind: Ec2Image): void {
  const stack = `machine-${process.pid}`;
  const settings = {
    ...{ target: "aws", topology: "single", benchmark: "none" },
    aws: { region: "us-east-1", owner: "ada", sshCidr: "203.0.113.7/32", expiresAfter: "4h" },
  };

  let cloud: Cloud;
  let machines: LocalMachines;
  let lab: LabProject;
  let empty: string[];

  beforeAll(async () => {
    cloud = await Cloud.start(async (place) => (machines = await LocalMachines.make(place, kind)));
    lab = new LabProject(cloud, "index.ts", "plugins/command");
    empty = await cloud.listing();
  }, 10 * minutes);

  afterAll(async () => {
    await cloud.stop();
    lab.remove();
    rmSync(sshFolder(stack), { recursive: true, force: true });
  }, minutes);

  /** Runs a script on the machine with the stack's files for ssh. */
  async function on(script: string, shell = "bash -s"): Promise<{ exitCode: number; text: string }> {
    const config = `${sshFolder(stack)}/config`;
    const { exitCode, all } = await execa("ssh", ["-F", config, "-o", "BatchMode=yes", "node1", shell], {
      input: `set -euo pipefail\n${script}\n`,
      reject: false,
      all: true,
    });
    return { exitCode: exitCode ?? 255, text: all };
  }

  async function check(script: string): Promise<string> {
    const { exitCode, text } = await on(script);
    if (exitCode !== 0) throw new Error(`status ${exitCode} of: ${script}\n${text}`);
    return text;
  }

  /** The machine's id and state according to AWS. */
  async function instance(): Promise<{ id: string; state: string }> {
    const { AWS_ENDPOINT_URL: endpoint = "", AWS_REGION: region = "" } = cloud.env;
    const credentials = { accessKeyId: "testing", secretAccessKey: "testing" };
    const client = new EC2Client({ endpoint, region, credentials });
    const { Reservations = [] } = await client.send(new DescribeInstancesCommand({}));
    const found = Reservations[0]?.Instances?.[0];
    return { id: found?.InstanceId ?? "", state: found?.State?.Name ?? "" };
  }

  const tale = story();
  const step = (name: string, work: () => Promise<void>, limit = 3 * minutes): void =>
    tale.step(name, work, limit);

  describe(`a lab on AWS with a machine (${kind} image)`, () => {
    step(
      "comes up, and Redis, JuiceFS and Ray work",
      async () => {
        await lab.configure(stack, settings);
        await lab.up();
        const outputs = await lab.outputs<Record<string, unknown>>();
        expect(outputs.health).toEqual({
          juicefs: expect.stringMatching(
            /^JuiceFS 1\.4\..*each client has read the files of all 1 clients/,
          ) as string,
          ray: expect.stringMatching(/^Ray: a task ran on each of node1 in/) as string,
          redis: expect.stringMatching(/^Redis 8\.\d.*a client's GET takes \d+ us/) as string,
        });
        expect(outputs.nodes).toMatchObject([
          {
            name: "node1",
            roles: ["meta", "client", "ray-head"],
            kernel: expect.stringMatching(/^6\.12\./) as string,
          },
        ]);
        expect(outputs.targetFacts).toMatchObject({
          costEstimate: { perHour: expect.any(Number) as number },
        });
      },
      (kind === "bare" ? 60 : 15) * minutes,
    );

    step("is set up by the real cloud-init from its user data", async () => {
      const { metadata } = machines.instance((await instance()).id);
      expect(metadata.asked).toContainEqual(expect.stringMatching(/\/user-data$/));
      // Only IMDSv2: a request without a token gets no answer. cloud-init always has a token.
      expect(metadata.refused.filter((request) => /cloud-init/i.test(request))).toEqual([]);
      expect(await check("hostname; id -un; sudo -n id -un")).toBe("node1\nadmin\nroot");
      const status = JSON.parse(await check("cloud-init status --format json")) as Record<string, unknown>;
      // "ec2local" if it was found before the network was up.
      expect(status).toMatchObject({
        status: "done",
        datasource: expect.stringMatching(/^ec2(local)?$/) as string,
        errors: [],
        recoverable_errors: {},
      });
      expect(await check("sudo cloud-init schema --system")).toMatch(/Valid schema user-data/);
      expect(await check("cat /var/lib/disgrafs/installed")).toBe(installedMarker("debian-13"));
      expect(await check("stat -c '%a %U' /usr/local/sbin/disgrafs-expire-at")).toBe("755 root");
      // The program read the host key from the console.
      const known = await check("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
      expect(machines.console((await instance()).id)).toContain(known);
    });

    step("has no secret in user data, process list and logs", async () => {
      const password = await check("sudo cat /etc/disgrafs/redis-password");
      expect(password).toMatch(/^[0-9a-f]{48}$/);
      const open = await check(
        "sudo cat /var/lib/cloud/instance/user-data.txt /var/log/cloud-init-output.log; " +
          "sudo cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sudo journalctl -q -o cat",
      );
      expect(open).toContain("redis-server");
      // This process searches, so the search is not in the machine's process list.
      expect(open.includes(password)).toBe(false);
      expect(open).not.toContain("PRIVATE KEY");
    });

    step("stores JuiceFS's blocks in S3, with the machine's role and below its own prefix", async () => {
      await check(
        "head -c 3000000 /dev/urandom | sudo tee /mnt/jfs/data >/dev/null; sudo sync -f /mnt/jfs/data",
      );
      const { requests } = machines.s3;
      const blocks = requests.filter(
        ({ method, key }) => method === "PUT" && key.startsWith("disgrafs/chunks/"),
      );
      expect(blocks.length).toBeGreaterThan(0);
      // Exactly what the role's policy allows (stacks/aws/storage.ts).
      for (const { method, key, query, signedBy } of requests) {
        expect(signedBy).toBe(roleAccessKey);
        if (key !== "") expect(key).toMatch(/^disgrafs\//);
        else expect(`${method} ${query.get("prefix")}`).toMatch(/^GET disgrafs\//);
      }
    });

    step("accepts files from this checkout, for benchmarks and extensions", async () => {
      const config = `${sshFolder(stack)}/config`;
      await check("mkdir -p /opt/disgrafs/benchmarks");
      await execa("scp", ["-q", "-F", config, inCheckout("package.json"), "node1:/opt/disgrafs/benchmarks/"]);
      expect(await check("sudo head -c 1 /opt/disgrafs/benchmarks/package.json")).toBe("{");
    });

    step(
      "uses an empty instance store as a cache, and refuses a disk that is in use or not empty",
      async () => {
        const disk = "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_store";
        const script = readFileSync(inCheckout("stacks/aws/machine/instanceStore.sh"), "utf8");
        const args = ["/mnt/store", "QEMU NVMe Ctrl"];
        const store = async () => {
          const { exitCode, text } = await on(
            program({ run: { script, args } }, "test"),
            "sudo -n bash -s run",
          );
          return `${exitCode} ${text.replaceAll(/\/dev\/nvme\dn1/g, "DISK")}`;
        };
        await check(`sudo mkfs.ext4 -q ${disk}; sudo mkdir -p /mnt/other; sudo mount ${disk} /mnt/other`);
        expect(await store()).toBe("1 DISK is in use: /mnt/other");
        await check("sudo umount /mnt/other");
        expect(await store()).toBe("1 DISK is not empty: it holds ext4");
        await check(`sudo wipefs -qa ${disk}`);
        expect(await store()).toBe("0 instance store DISK at /mnt/store");
        expect(
          await check("findmnt -no FSTYPE /mnt/store; lsblk -no LABEL $(findmnt -no SOURCE /mnt/store)"),
        ).toBe("ext4\ndisgrafs-cache");
        expect(await store()).toBe("0 instance store DISK at /mnt/store");
        await check("sudo umount /mnt/store");
        expect(await store()).toBe("0 instance store DISK at /mnt/store");
      },
    );

    step("changes nothing at a second up", async () => {
      await lab.up("--expect-no-changes");
    });

    step("is extended by ./lab extend, which changes the machine's own timer", async () => {
      const { exitCode, text } = await lab.lab(stack, "extend", "8h");
      expect(exitCode === 0 ? "" : text).toBe("");
      const { targetFacts } = await lab.outputs<{ targetFacts: { expires: string } }>();
      const next = "systemctl show --property=NextElapseUSecRealtime --value disgrafs-expiry.timer";
      expect(Number(await check(`date --date="$(${next})" +%s`))).toBe(
        Date.parse(targetFacts.expires) / 1000,
      );
      expect(await check("systemctl is-enabled disgrafs-expiry.timer")).toBe("enabled");
    });

    step(
      "powers itself off at its deadline, and is then terminated",
      async () => {
        const { id } = await instance();
        const begin = Date.now();
        await check('sudo disgrafs-expire-at "$(($(date +%s) + 20))"');
        while (machines.ids.includes(id)) {
          if (Date.now() - begin > 5 * minutes) throw new Error("the machine still runs 5 minutes later");
          await sleep(500);
        }
        expect(Date.now() - begin).toBeGreaterThan(15_000);
        while ((await instance()).state !== "terminated") {
          if (Date.now() - begin > 5 * minutes)
            throw new Error(`it is ${(await instance()).state} in the books`);
          await sleep(500);
        }
      },
      7 * minutes,
    );

    step("goes down completely after its machine has gone", async () => {
      const begin = Date.now();
      await lab.destroy();
      expect(Date.now() - begin).toBeLessThan(2 * minutes);
      expect(machines.ids).toEqual([]);
      expect(await cloud.listing()).toEqual(empty);
    });
  });
}
