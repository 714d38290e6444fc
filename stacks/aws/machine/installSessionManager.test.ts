import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

describe("the installation of the SSM agent", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ssm-agent-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs the script with programs that only note what they are asked; the downloaded package has a version, the image perhaps an agent. */
  const install = (
    version: string,
    present = false,
  ): { status: number | null; stderr: string; calls: string } => {
    const calls = join(folder, "calls");
    writeFileSync(calls, "");
    const programs = {
      curl: "exit 0",
      dpkg: "exit 0",
      "dpkg-deb": `echo ${version}`,
      systemctl: present ? "exit 0" : '[ "$1" != cat ]',
    };
    for (const [name, answer] of Object.entries(programs)) {
      const file = join(folder, name);
      writeFileSync(file, `#!/bin/bash\necho ${name} "$@" >>${calls}\n${answer}\n`);
      chmodSync(file, 0o755);
    }
    const script = fileURLToPath(new URL("./installSessionManager.sh", import.meta.url));
    const { status, stderr } = spawnSync("bash", [script, "eu-north-1"], {
      env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}`, TMPDIR: folder },
      encoding: "utf8",
    });
    return { status, stderr, calls: readFileSync(calls, "utf8") };
  };

  it("takes one version from the bucket of the region, and starts it", () => {
    const { status, calls } = install("3.3.4624.0-1");
    expect(status).toBe(0);
    expect(calls).toContain(
      "https://s3.eu-north-1.amazonaws.com/amazon-ssm-eu-north-1/3.3.4624.0/debian_amd64/amazon-ssm-agent.deb",
    );
    expect(calls).toMatch(/^dpkg -i .*\nsystemctl enable --now amazon-ssm-agent.service$/m);
  });

  it("installs no other version", () => {
    const { status, stderr, calls } = install("3.3.9999.0-1");
    expect(status).toBe(1);
    expect(stderr).toContain("has version 3.3.9999.0-1, not 3.3.4624.0");
    expect(calls).not.toContain("dpkg -i");
  });

  it("starts the image's own agent", () => {
    const { status, calls } = install("", true);
    expect(status).toBe(0);
    expect(calls).not.toContain("curl");
  });
});
