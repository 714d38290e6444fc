/** `./lab status --watch` on a real terminal (a pty), with a stack whose machines are gone and a real Pulumi CLI. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { inCheckout } from "../../workshop/checkout.ts";
import { apply } from "../environment.ts";
import { Pulumi } from "../pulumi.ts";

const [rows, columns] = [12, 70];
const stack = "gone";
const names = ["meta", ...Array.from({ length: 9 }, (_, index) => `node${index + 1}`)];
const outputs = {
  nodes: names.map((name) => ({
    name,
    roles: ["client"],
    kernel: "6.12",
    ssh: "false",
    address: "10.77.0.10",
  })),
  targetFacts: { clock: "wall" },
};

describe("./lab status --watch", () => {
  const project = mkdtempSync(join(tmpdir(), "lab-watch-"));
  const set = {
    PULUMI_BACKEND_URL: `file://${join(project, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "x",
    PULUMI_SKIP_UPDATE_CHECK: "1",
  };
  const environment = { backend: "user", set, unset: [], notes: [] } as const;
  beforeAll(async () => {
    mkdirSync(join(project, "state"));
    writeFileSync(join(project, "Pulumi.yaml"), "name: disgrafs-lab\nruntime: nodejs\n");
    const urn = `urn:pulumi:${stack}::disgrafs-lab::pulumi:pulumi:Stack::disgrafs-lab-${stack}`;
    const deployment = {
      manifest: { time: "2026-01-31T12:00:00Z", magic: "", version: "" },
      resources: [{ urn, custom: false, type: "pulumi:pulumi:Stack", outputs }],
    };
    await new Pulumi(environment, stack, project).select();
    await execa("pulumi", ["stack", "import", "--stack", stack], {
      cwd: project,
      env: apply(environment),
      input: JSON.stringify({ version: 3, deployment }),
    });
  }, 400_000);
  afterAll(() => rmSync(project, { recursive: true }));

  it("redraws one screen, ends on Ctrl-C, and restores the terminal", async () => {
    const watch = `node --disable-warning=ExperimentalWarning cli/main.ts status --watch --stack ${stack}`;
    const command = `trap : INT; stty rows ${rows} cols ${columns}; stty -g; ${watch}; echo "ended with $?"; stty -g`;
    const child = spawn("script", ["--quiet", "--flush", "--command", `bash -c '${command}'`, "/dev/null"], {
      cwd: inCheckout(),
      env: { ...process.env, ...set, TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part.replaceAll("\x1b", "ESC")));
    const frames = (): string[] => text.split("ESC[H").slice(1);
    const deadline = Date.now() + 300_000;
    while (frames().length < 3 && Date.now() < deadline && child.exitCode === null) await sleep(100);
    child.stdin.write("\x03");
    if (child.exitCode === null) await once(child, "exit");
    const [before = "", after = ""] = text.split("ESC[?1049h");
    expect(after).toMatch(/^ESC\[\?25lESC\[H/);
    for (const frame of frames().slice(0, 2)) {
      expect(frame).toMatch(/^gone at .*, refreshed every 5 s; Ctrl-C endsESC\[K\r\n/);
      const lines = frame
        .replace(/ESC\[J$/, "")
        .split("\r\n")
        .slice(0, -1);
      expect(lines).toHaveLength(rows - 1);
      for (const line of lines) expect(line.replace("ESC[K", "").length).toBeLessThanOrEqual(columns);
      expect(lines.at(-1)).toBe("... more lines: enlarge the windowESC[K");
      expect(frame).toContain("not running, its files are gone");
    }
    const settings = before.split("\r\n")[0];
    expect(settings).toMatch(/^[0-9a-f:]{20,}$/);
    expect(after.split("ESC[?25hESC[?1049l")[1]?.trim().split("\r\n")).toEqual(["ended with 1", settings]);
  }, 400_000);
});
