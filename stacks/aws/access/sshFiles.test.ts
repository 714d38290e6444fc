import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { knownHosts, sshCommand, sshConfig, sshFolder } from "./sshFiles.ts";

const hosts = [
  { name: "meta", user: "admin", host: "198.51.100.1", hostKey: "ssh-ed25519 AAAA1" },
  { name: "node1", user: "admin", host: "198.51.100.2", hostKey: "ssh-ed25519 AAAA2" },
];

/** ssh's interpretation of a configuration for a host. */
function read(config: string, name: string): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "ssh-config-"));
  try {
    writeFileSync(join(folder, "config"), config);
    const text = execFileSync("ssh", ["-G", "-F", join(folder, "config"), name], { encoding: "utf8" });
    return Object.fromEntries(
      text.split("\n").map((line) => [line.split(" ")[0] ?? "", line.slice(line.indexOf(" ") + 1)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("sshConfig", () => {
  it("makes ssh use the lab's key and trust only the known host key", () => {
    expect(read(sshConfig(hosts, "/a folder/aws", undefined), "node1")).toMatchObject({
      hostname: "198.51.100.2",
      user: "admin",
      identityfile: "/a folder/aws/key",
      identitiesonly: "yes",
      hostkeyalias: "node1",
      userknownhostsfile: "/a folder/aws/known_hosts",
      stricthostkeychecking: "true",
    });
  });

  it("uses Session Manager if no port is open", () => {
    const config = sshConfig([{ ...hosts[0]!, host: "i-0123456789abcdef0" }], "/x", {
      region: "eu-central-1",
      profile: "course",
    });
    expect(read(config, "meta").proxycommand).toBe(
      "aws ssm start-session --region eu-central-1 --profile course --target i-0123456789abcdef0 --document-name AWS-StartSSHSession --parameters portNumber=%p",
    );
  });
});

describe("knownHosts", () => {
  it("has a line with each machine's name", () => {
    expect(knownHosts(hosts)).toBe("meta ssh-ed25519 AAAA1\nnode1 ssh-ed25519 AAAA2\n");
  });
});

describe("sshCommand", () => {
  it("works from the checkout with any name of the stack", () => {
    expect(sshCommand("aws", "node1")).toBe("ssh -F .lab/aws/aws/config node1");
    expect(sshCommand("ada's/lab", "node1")).toBe("ssh -F '.lab/aws/ada'\\''s%2Flab/config' node1");
    expect(sshFolder("../..")).toMatch(/\.lab\/aws\/\.\.%2F\.\.$/);
  });
});
