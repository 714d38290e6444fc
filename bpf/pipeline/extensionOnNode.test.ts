import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { kernelNames } from "../../provisioning/kernels.ts";
import type { Machine } from "../../provisioning/machine.ts";
import { defaultOptions } from "../../tests/support/extensions.ts";
import { extensionNames } from "../table.ts";

interface Made {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}
const made: Made[] = [];
let answer = "";

await pulumi.runtime.setMocks({
  newResource: ({ type, name, inputs }) => {
    made.push({ type, name, inputs: inputs as Record<string, unknown> });
    return { id: `${name}-id`, state: { ...(inputs as object), stdout: answer } };
  },
  call: () => ({}),
});
const { ExtensionOnNode, buildKernel, parseVerdict, releasePattern } = await import("./extensionOnNode.ts");
const { checkOptions } = await import("./options.ts");

const machine: Machine = {
  name: "node1",
  roles: ["client"],
  kernel: "debian-13",
  resource: new pulumi.ComponentResource("test:Machine", "node1"),
  id: pulumi.output("disk1"),
  boot: pulumi.output("boot1"),
  connection: pulumi.output({ host: "127.0.0.1" }),
  become: "",
  privateAddress: pulumi.output("10.0.0.1"),
  sshCommand: pulumi.output("ssh"),
  emulated: pulumi.output(true),
};

const verdictOf = (component: { verdict: pulumi.Output<unknown> }): Promise<unknown> =>
  new Promise((resolve) => void component.verdict.apply(resolve));

describe("ExtensionOnNode", () => {
  const build = mkdtempSync(join(tmpdir(), "build-"));
  for (const name of extensionNames) mkdirSync(join(build, "debian-13", name), { recursive: true });
  beforeEach(() => {
    made.length = 0;
  });
  afterAll(() => rmSync(build, { recursive: true }));

  it("copies the build, scripts and probe, runs load.sh with the extension's facts, and has a step for its removal", async () => {
    answer = '{"supported":true,"how":"fentry","programs":[{"name":"p","id":1,"tag":"aa","runs":3}]}';
    const extension = new ExtensionOnNode("latency", {
      machine,
      extension: "fuse-latency",
      build,
      options: defaultOptions("fuse-latency"),
    });
    expect(await verdictOf(extension)).toEqual({
      supported: true,
      how: "fentry",
      programs: [{ name: "p", id: 1, tag: "aa", runs: 3 }],
    });
    const copies = made.filter(({ type }) => type === "command:remote:CopyToRemote");
    expect(copies.map(({ inputs }) => inputs.remotePath)).toEqual([
      "/opt/disgrafs/extensions/fuse-latency/bin",
      "/opt/disgrafs/extensions/fuse-latency/scripts",
      "/opt/disgrafs/extensions/fuse-latency/probe.sh",
    ]);
    const commands = made.filter(({ type }) => type === "command:remote:Command");
    expect(commands).toHaveLength(1);
    expect(commands[0]!.inputs.delete).toContain("bash -s undo");
    // The arguments of load.sh: name, kernels, needs, required, keep, options.
    expect(commands[0]!.inputs.stdin).toMatch(
      /^run fuse-latency '.*6\\\.12.*' btf,bpffs no yes --interval 15 --prometheus \S+\.prom <\/dev\/null$/m,
    );
  });

  it("passes required and keepLoaded to load.sh, and returns an unsupported verdict", async () => {
    answer = '{"supported":false,"reason":"kernel 5.4","needed":"a newer one"}';
    const extension = new ExtensionOnNode("latency", {
      machine,
      extension: "fuse-latency",
      build,
      required: true,
      keepLoaded: false,
      options: ["--json"],
    });
    expect(await verdictOf(extension)).toEqual({
      supported: false,
      reason: "kernel 5.4",
      needed: "a newer one",
    });
    const stdin = made.find(({ type }) => type === "command:remote:Command")!.inputs.stdin as string;
    expect(stdin).toMatch(/^run fuse-latency '.*' btf,bpffs yes no --json <\/dev\/null$/m);
  });
});

describe("parseVerdict", () => {
  it("parses the last line, and ignores those before it", () => {
    expect(parseVerdict('note\n{"supported":false,"reason":"r","needed":"n"}\n')).toEqual({
      supported: false,
      reason: "r",
      needed: "n",
    });
  });

  it.each(["", "loaded", "{}", "null"])("refuses %j with an error that shows it", (text) => {
    expect(() => parseVerdict(text)).toThrow(`must be one line of JSON, but was: ${text}`);
  });
});

describe("releasePattern", () => {
  const matches = (release: string): boolean => {
    const pattern = releasePattern(["debian-12", "debian-13"]);
    try {
      execFileSync("bash", ["-c", "[[ $1 =~ $2 ]]", "-", release, pattern]);
      return true;
    } catch {
      return false;
    }
  };

  it("is a pattern that in bash matches exactly the releases of these kernels", () => {
    expect(matches("6.12.118+deb13-cloud-amd64")).toBe(true);
    expect(matches("6.1.0-56-cloud-amd64")).toBe(true);
    expect(matches("6.12.118-cloud-amd64")).toBe(false);
    expect(matches("7.3.4+deb13-cloud-amd64")).toBe(false);
  });
});

describe("buildKernel", () => {
  it("is a local kernel for every kernel of the table", () => {
    expect(kernelNames.map(buildKernel)).toEqual(
      expect.arrayContaining(["debian-12", "debian-13", "debian-13-backports"]),
    );
    expect(buildKernel("ubuntu-24.04")).toBe("debian-13");
  });
});

describe("checkOptions", () => {
  it("refuses an option with a space and names it", () => {
    expect(() => checkOptions("fuse-latency", ["--mount", "/my mount"])).toThrow(
      'extension fuse-latency: option "/my mount" has a character other than',
    );
  });

  it("accepts the default options of every extension", () => {
    for (const name of extensionNames) expect(() => checkOptions(name, defaultOptions(name))).not.toThrow();
  });
});
