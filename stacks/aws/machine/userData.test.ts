import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernelNames, kernels } from "../../../provisioning/kernels.ts";
import { debianPackageNames } from "../../../provisioning/packages.ts";
import { nodePackages } from "./packages.ts";
import { installedMarker, userData, type UserDataArgs } from "./userData.ts";

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKEY disgrafs-lab";
const args: UserDataArgs = {
  name: "node1",
  kernel: "debian-13",
  region: "eu-central-1",
  publicKey,
  expiresInSeconds: 14_400,
  sessionManager: false,
};
const here = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");
const parse = (text: string): unknown => JSON.parse(text.replace("#cloud-config\n", ""));

describe("userData", () => {
  it("is exactly the login, the expiry, the lists and the installation", () => {
    const lists = "/usr/local/lib/disgrafs/lists";
    expect(parse(userData(args))).toEqual({
      hostname: "node1",
      disable_root: true,
      users: [
        {
          name: "admin",
          ssh_authorized_keys: [publicKey],
          shell: "/bin/bash",
          lock_passwd: true,
          sudo: "ALL=(ALL) NOPASSWD:ALL",
        },
      ],
      write_files: [
        {
          path: "/usr/local/sbin/disgrafs-expire-at",
          permissions: "0755",
          content: here("../../../provisioning/expireAt.sh"),
        },
        { path: `${lists}/packages.txt`, permissions: "0644", content: `${debianPackageNames.join("\n")}\n` },
        {
          path: `${lists}/requirements.txt`,
          permissions: "0644",
          content: here("../../../provisioning/requirements.txt"),
        },
        { path: `${lists}/uv.txt`, permissions: "0644", content: here("./uv.txt") },
        { path: "/usr/local/lib/disgrafs/install", permissions: "0755", content: here("./install.sh") },
      ],
      runcmd: [
        ["bash", "-c", '/usr/local/sbin/disgrafs-expire-at "$(($(date +%s) + 14400))"'],
        ["/usr/local/lib/disgrafs/install", "apt", "/opt/disgrafs/venv", lists],
      ],
    });
  });

  it("with Session Manager, installs its agent first, after setting the expiry", () => {
    const { runcmd } = parse(userData({ ...args, sessionManager: true })) as { runcmd: string[][] };
    expect(runcmd.map(([program]) => program)).toEqual([
      "bash",
      "/usr/local/lib/disgrafs/install-session-manager",
      "/usr/local/lib/disgrafs/install",
    ]);
    expect(runcmd[1]?.[1]).toBe("eu-central-1");
  });

  it.each(kernelNames)("for %s contains no secret and fits into EC2's 16 KiB", (kernel) => {
    const text = userData({ ...args, kernel, sessionManager: true, name: "n".repeat(63) });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384);
    expect(text).not.toMatch(/PRIVATE KEY|password|secret|token|AKIA|aws_access/i);
    expect(text).toContain(`"name": "${kernels[kernel].aws.user}"`);
  });

  it("is refused above EC2's 16 KiB, counted in bytes, with the excess", () => {
    const room = 16_384 - Buffer.byteLength(userData(args));
    const fits = {
      ...args,
      publicKey: `${publicKey} ${"ö".repeat(Math.floor((room - 1) / 2))}${"o".repeat((room - 1) % 2)}`,
    };
    expect(Buffer.byteLength(userData(fits))).toBe(16_384);
    expect(() => userData({ ...fits, publicKey: `${fits.publicKey}o` })).toThrow(
      "user data of node1 is 16385 bytes, but EC2 accepts 16384: shorten stacks/aws/machine/install.sh or the lists",
    );
  });

  it("is the same for the same arguments, so that no machine is replaced without need", () => {
    expect(userData(args)).toBe(userData({ ...args }));
  });
});

describe("installedMarker", () => {
  it("is the same as install.sh computes on the machine", () => {
    const folder = mkdtempSync(join(tmpdir(), "lists-"));
    try {
      const { write_files } = parse(userData(args)) as { write_files: { path: string; content: string }[] };
      for (const { path, content } of write_files.filter((file) => file.path.includes("/lists/")))
        writeFileSync(join(folder, path.slice(path.lastIndexOf("/") + 1)), content);
      // The line from the script, with the lists' path on the machine in sha256sum's output.
      const line = here("./install.sh").trimEnd().split("\n").at(-1)!;
      expect(line).toMatch(/^sha256sum "\$lists"\/\*\.txt \| sha256sum \| cut/);
      const script = line
        .replace("| sha256sum", `| sed "s|$lists|/usr/local/lib/disgrafs/lists|" | sha256sum`)
        .replace(' >"$marker"', "");
      const printed = execFileSync("bash", ["-c", script], {
        env: { ...process.env, lists: folder },
        encoding: "utf8",
      });
      expect(printed.trim()).toBe(installedMarker("debian-13"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("differs between user lands, whose packages differ", () => {
    expect(installedMarker("debian-12")).not.toBe(installedMarker("debian-13"));
  });
});

describe("nodePackages", () => {
  it("is the local image's list on the same distribution", () => {
    expect(nodePackages("trixie")).toEqual(debianPackageNames);
  });

  it("uses the other distributions' names of packages", () => {
    expect(nodePackages("bookworm")).toEqual(expect.arrayContaining(["libelf1", "redis-server"]));
    expect(nodePackages("noble")).toEqual(expect.arrayContaining(["linux-tools-@RELEASE@", "libelf1t64"]));
    expect(nodePackages("al2023")).toEqual(expect.arrayContaining(["python3.13", "redis6", "iproute"]));
    for (const name of ["curl", "udev", "libelf1t64", "python3-venv"])
      expect(nodePackages("al2023")).not.toContain(name);
  });
});
