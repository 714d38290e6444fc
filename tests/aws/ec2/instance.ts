/**
 * An EC2 machine as a local VM: its firmware identifies as Amazon EC2, its network card gets the private address by DHCP, the metadata
 * service and S3 answer at their addresses, and port 22 of its "public" address is its sshd.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { acceleratorArgs, acceleratorEnv, type Accelerator } from "../../../workshop/accelerator.ts";
import type { Image } from "../../../workshop/image/image.ts";
import { MetadataService, type MachineFacts } from "./metadata.ts";

export interface InstanceArgs extends MachineFacts {
  /** Folder of this machine, removed with it. */
  readonly folder: string;
  readonly disk: Image;
  readonly accelerator: Accelerator;
  /** Loopback address in place of the public one. */
  readonly publicAddress: string;
  /** Host names of S3. */
  readonly buckets: readonly string[];
  readonly s3: { readonly port: number; readonly authority: string };
  /** Whether it can reach the package registries; it then trusts the same authorities as this computer. */
  readonly wayOut: boolean;
}

/**
 * On EC2, link-local addresses are reached through the first card. QEMU's user network has only its own addresses, so they have
 * a separate card, which cloud-init ignores because its name begins with "veth".
 */
const linkMac = "02:00:00:a9:fe:01";
const linkCard = "veth-ec2";
const memoryMiB = 2560;
const cpus = 2;

export class LocalInstance {
  readonly metadata: MetadataService;
  /** Resolves when the machine has ended for any reason. */
  readonly ended: Promise<void>;
  readonly #qemu: ChildProcess;
  readonly #folder: string;

  private constructor(qemu: ChildProcess, metadata: MetadataService, folder: string) {
    this.#qemu = qemu;
    this.metadata = metadata;
    this.#folder = folder;
    this.ended = once(qemu, "exit").then(() => {
      metadata.stop();
    });
  }

  static async start(args: InstanceArgs): Promise<LocalInstance> {
    await requireFree(args.publicAddress);
    mkdirSync(args.folder, { recursive: true });
    await execa("qemu-img", [
      ...["create", "-q", "-f", "qcow2", "-b", args.disk.disk, "-F", "raw", join(args.folder, "root.qcow2")],
      "30G",
    ]);
    // A disk's size is a multiple of its sectors.
    const script = Buffer.from(hostScript(args));
    const padding = Buffer.alloc(4096 - (script.length % 4096));
    writeFileSync(join(args.folder, "host"), Buffer.concat([script, padding]));
    await execa("qemu-img", ["create", "-q", "-f", "raw", join(args.folder, "store.raw"), "40G"]);
    const metadata = await MetadataService.start(args);
    // It must not outlive the test.
    const command = ["--pdeathsig", "KILL", "qemu-system-x86_64", ...qemuArgs(args, metadata.port)];
    const env = acceleratorEnv(args.accelerator);
    const qemu = spawn("setpriv", command, { cwd: args.folder, env, stdio: ["ignore", "ignore", "pipe"] });
    qemu.stderr.on("data", (data: Buffer) => process.stderr.write(`${args.id}: ${data.toString()}`));
    return new LocalInstance(qemu, metadata, args.folder);
  }

  get console(): string {
    const file = join(this.#folder, "console.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Stops the machine as if its kernel hung: nothing runs any more, not even its timer. */
  hang(): void {
    this.#qemu.kill("SIGSTOP");
  }

  async stop(): Promise<void> {
    this.#qemu.kill("SIGKILL");
    await this.ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A script that replaces the work of EC2's host and network; the machine runs it before cloud-init. */
function hostScript({ buckets, s3, region, wayOut }: InstanceArgs): string {
  // If this computer uses a proxy for the registries, the machine does, too.
  const authorities = [s3.authority, ...(wayOut ? ownAuthorities() : [])];
  const names = buckets.map((bucket) => `${bucket}.s3.${region}.amazonaws.com`).join(" ");
  return `set -eu
modprobe virtio_net
for card in /sys/class/net/*; do
  [ "$(cat "$card/address")" = ${linkMac} ] || continue
  ip link set "\${card##*/}" name ${linkCard}
done
ip address replace 169.254.169.1/24 dev ${linkCard}
ip link set ${linkCard} up
# From cloud-init's first stage on, networkd manages the network. It must know this card, too, and must not remove its address for
# seconds to check that it is unique.
mkdir -p /run/systemd/network
printf '%s\\n' >/run/systemd/network/05-link.network \\
  '[Match]' MACAddress=${linkMac} '[Network]' LinkLocalAddressing=no '[Link]' RequiredForOnline=no \\
  '[Address]' Address=169.254.169.1/24 DuplicateAddressDetection=none
grep -q amazonaws /etc/hosts || echo '169.254.169.250 ${names}' >>/etc/hosts
trust() { [ -e "$1" ] || tee -a /etc/ssl/certs/ca-certificates.crt >"$1"; }
${authorities.map(trust).join("")}`;
}

function trust(authority: string, index: number): string {
  return `trust /usr/local/share/ca-certificates/test-${index}.crt <<'END'\n${authority.trimEnd()}\nEND\n`;
}

/** Certificate authorities that were added to this computer, as PEM. */
function ownAuthorities(): string[] {
  const folder = "/usr/local/share/ca-certificates";
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".crt")) : [];
  return names.map((name) => readFileSync(join(folder, name), "utf8"));
}

function qemuArgs(args: InstanceArgs, metadataPort: number): string[] {
  const { id, type, mac, privateAddress, publicAddress, accelerator } = args;
  // Like EC2's firmware: cloud-init recognises EC2 by the first three digits.
  const uuid = `ec2${id.replace("i-", "").padEnd(29, "0")}`.replace(
    /^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
    "$1-$2-$3-$4-$5",
  );
  const kernelLine = [
    ...["root=/dev/nvme0n1", "rw", "console=ttyS0", "quiet", "panic=-1", "net.ifnames=0", "nowatchdog"],
    ...[
      "systemd.show_status=0",
      ...(accelerator === "tcg" ? ["mitigations=off", "no_timer_check", "tsc=reliable"] : []),
    ],
  ];
  const forward = (address: string, port: number): string =>
    `guestfwd=tcp:${address}-cmd:socat - TCP:127.0.0.1:${port}`;
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-name", id],
    ...[...acceleratorArgs(accelerator), "-smp", String(cpus), "-m", String(memoryMiB)],
    ...["-smbios", `type=1,manufacturer=Amazon EC2,product=${type},uuid=${uuid},serial=${uuid}`],
    ...["-kernel", args.disk.kernel, "-append", kernelLine.join(" ")],
    ...["-drive", "if=none,id=root,file=root.qcow2,format=qcow2,discard=unmap,cache=unsafe"],
    ...["-device", "nvme,drive=root,serial=root"],
    ...[
      "-drive",
      "if=none,id=host,file=host,format=raw,readonly=on",
      "-device",
      "nvme,drive=host,serial=host",
    ],
    ...[
      "-drive",
      "if=none,id=store,file=store.raw,format=raw,discard=unmap",
      "-device",
      "nvme,drive=store,serial=store",
    ],
    "-netdev",
    [
      `user,id=vpc,net=10.77.0.0/20,dhcpstart=${privateAddress},host=10.77.15.1,dns=10.77.15.2`,
      // Not restrict=on, because a restricted network's DHCP has no router, and networkd then sets no route.
      `hostfwd=tcp:${publicAddress}:22-:22`,
    ].join(","),
    ...["-device", `virtio-net-pci,netdev=vpc,mac=${mac},romfile=`],
    "-netdev",
    [
      "user,id=link,net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,restrict=on",
      forward("169.254.169.254:80", metadataPort),
      forward("169.254.169.250:443", args.s3.port),
    ].join(","),
    ...["-device", `virtio-net-pci,netdev=link,mac=${linkMac},romfile=`],
    ...[
      "-device",
      "virtio-rng-pci",
      "-chardev",
      "file,id=console,path=console.log",
      "-serial",
      "chardev:console",
    ],
  ];
}

/** The program connects to port 22, which must be free on the address that replaces the public one. */
async function requireFree(address: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(
        new Error(
          `port 22 of ${address} cannot be had (${error.message}): run this test as root, and where no sshd listens on ` +
            "all addresses (ListenAddress in sshd_config), or in a network of its own: unshare -n",
        ),
      );
    });
    server.listen(22, address, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}
