import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inCheckout } from "../checkout.ts";
import { areLocal, nodeNamed, nodesOf } from "../nodes.ts";
import { doctor } from "./doctor.ts";
import { down, purgeCache, report } from "./down.ts";
import { env } from "./env.ts";
import { setup } from "./setup.ts";
import { commandLine, ssh } from "./ssh.ts";
import { machineState, status, table } from "./status.ts";
import { test } from "./test.ts";
import { up } from "./up.ts";

describe("./lab", () => {
  it.each([setup, up, down, test, doctor, ssh, status, env])(
    "$_name --help is one screen, with examples",
    (command) => {
      let text = "";
      command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 });
      command.outputHelp();
      expect(text).toContain("\nExamples:\n");
      expect(text.split("\n").length).toBeLessThanOrEqual(24);
    },
  );

  it("refuses a stack's name that would be a path, before anything is done", () => {
    const result = spawnSync(inCheckout("lab"), ["down", "--stack", ".."], {
      encoding: "utf8",
      // As in a shell that knows no Pulumi: a backend of one's own would be mentioned first.
      env: { PATH: process.env.PATH, HOME: "/nonexistent" },
    });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^lab: "\.\." cannot be the name of a stack: .*\n$/);
  }, 60_000);
});

describe("ssh", () => {
  // `sh -c` reads a command as a node's login shell does.
  const run = (words: string[]): string =>
    execFileSync("bash", ["-c", commandLine("sh -c", words)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });

  it("gives one word to the node's shell as it is", () => {
    expect(run(["printf '%s\\n' b a | sort"])).toBe("a\nb\n");
  });

  it("keeps the words of a command with arguments apart", () => {
    expect(run(["printf", "%s|", "a b", "it's", "$HOME"])).toBe("a b|it's|$HOME|");
  });

  it("names the nodes when asked for one that does not exist", () => {
    const nodes = nodesOf("local", { nodes: [{ name: "meta" }, { name: "node1" }] });
    expect(nodeNamed(nodes, "node1").name).toBe("node1");
    expect(() => nodeNamed(nodes, "node9")).toThrow('there is no node "node9"; the nodes: meta, node1');
  });

  it("says what to do when there is no cluster", () => {
    expect(() => nodesOf("second", {})).toThrow("run ./lab up --stack second");
    expect(() => nodesOf("second", undefined)).toThrow("run ./lab up --stack second");
  });
});

describe("down", () => {
  it("names what is left and ends with the count", () => {
    expect(report("local", [])).toBe("0 left of stack local\n");
    const left = [
      { kind: "process", what: "qemu-system-x86_64 -name meta", pid: 42 },
      { kind: "disk", what: "/x/root.qcow2" },
    ] as const;
    expect(report("local", left)).toBe(
      "left: process 42: qemu-system-x86_64 -name meta\nleft: disk: /x/root.qcow2\n2 left of stack local\n",
    );
  });
});

describe("down --purge", () => {
  const folder = mkdtempSync(join(tmpdir(), "purge-"));
  const cache = join(folder, "cache");
  const stacks = join(folder, "stacks");
  beforeEach(() => mkdirSync(join(cache, "images"), { recursive: true }));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("keeps images on which another stack's disks may lie", async () => {
    mkdirSync(join(stacks, "second"), { recursive: true });
    expect(await purgeCache(cache, stacks, false)).toContain("second may use it");
    rmSync(stacks, { recursive: true });
    expect(existsSync(cache)).toBe(true);
  });

  it("keeps a cache that other checkouts share", async () => {
    expect(await purgeCache(cache, stacks, true)).toContain(`kept ${cache}`);
    expect(existsSync(cache)).toBe(true);
  });

  it("removes it when nothing can need it", async () => {
    expect(await purgeCache(cache, stacks, false)).toBe("removed the cache of images");
    expect(existsSync(cache)).toBe(false);
  });
});

describe("status", () => {
  it("says of a local machine without its files that it does not run, and of AWS's that they are elsewhere", () => {
    expect(areLocal({ targetFacts: { emulated: true } })).toBe(true);
    expect(areLocal({ targetFacts: { expires: "2026-11-26T12:00:00Z" } })).toBe(false);
    expect(machineState("no-such-stack", "node1", true)).toBe("not running, its files are gone");
    expect(machineState("no-such-stack", "node1", false)).toBe("elsewhere");
  });

  it("aligns its columns", () => {
    expect(
      table([
        ["A", "B"],
        ["long", "x"],
      ]),
    ).toBe("A     B\nlong  x\n");
  });
});
