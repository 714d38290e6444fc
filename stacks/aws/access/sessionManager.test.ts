import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "../../../workshop/freePort.ts";
import { forward, forwardCommand, forwardPort } from "./sessionManager.ts";

const args = { instanceId: "i-0123456789abcdef0", port: 0, region: "eu-central-1" };
let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "aws-cli-"));
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true });
});

/** An `aws` on PATH: the first call is refused, as for a machine that has just booted; the next one listens. */
function fakeCli(): void {
  const file = join(folder, "aws");
  writeFileSync(
    file,
    `#!${process.execPath}
const { appendFileSync, existsSync } = require("node:fs");
const calls = ${JSON.stringify(join(folder, "calls"))};
const first = !existsSync(calls);
appendFileSync(calls, JSON.stringify(process.argv.slice(2)) + "\\n");
if (first) { console.error("An error occurred (TargetNotConnected): i-0123456789abcdef0 is not connected."); process.exit(254); }
const { localPortNumber } = JSON.parse(process.argv.at(-1));
require("node:net").createServer((socket) => socket.end("SSH-2.0-fake\\r\\n")).listen(Number(localPortNumber[0]), "127.0.0.1");
setTimeout(() => process.exit(), 30_000);
`,
  );
  chmodSync(file, 0o755);
  process.env.PATH = `${folder}${delimiter}${path ?? ""}`;
}

describe("forward", () => {
  it("tries again until the machine's agent has registered, then listens on its port", async () => {
    fakeCli();
    const port = await freePort();
    expect(await forward({ ...args, port, waitSeconds: 90 })).toBe(port);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    expect(calls).toHaveLength(2);
    expect(JSON.parse(calls[1]!)).toEqual(forwardCommand({ ...args, port }));
  }, 120_000);

  it("reports a missing AWS CLI", async () => {
    process.env.PATH = folder;
    await expect(forward({ ...args, port: await freePort(), waitSeconds: 60 })).rejects.toThrow(
      /needs the AWS CLI \(aws\) and its session-manager-plugin/,
    );
  }, 120_000);
});

describe("forwardCommand", () => {
  it("forwards to the machine's SSH port, with the settings' profile", () => {
    expect(forwardCommand({ ...args, port: 20_001, profile: "course" })).toEqual([
      "ssm",
      "start-session",
      "--region",
      "eu-central-1",
      "--profile",
      "course",
      "--target",
      "i-0123456789abcdef0",
      "--document-name",
      "AWS-StartPortForwardingSession",
      "--parameters",
      '{"portNumber":["22"],"localPortNumber":["20001"]}',
    ]);
  });
});

describe("forwardPort", () => {
  it("is the same at every up, and differs between machines", () => {
    expect(forwardPort("aws", 3)).toBe(forwardPort("aws", 3));
    expect(forwardPort("aws", 4)).toBe(forwardPort("aws", 3) + 1);
  });
  it("is always a valid unprivileged port", () => {
    for (const stack of ["aws", "second", "a", ""]) {
      expect(forwardPort(stack, 0)).toBeGreaterThanOrEqual(20_000);
      expect(forwardPort(stack, 999)).toBeLessThan(60_000);
    }
  });
});
