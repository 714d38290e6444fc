import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inCheckout } from "../../workshop/checkout.ts";
import { commands, loadCommand } from "../commands.ts";
import { areLocal, nodeNamed, nodesOf } from "../nodes.ts";
import { purgeCache, report } from "./down.ts";
import { commandLine } from "./ssh.ts";
import { table } from "../table.ts";
import { machineState } from "./status.ts";

describe("./lab", () => {
  it.each(Object.keys(commands))("%s --help has examples and at most 50 lines", async (name) => {
    const command = (await loadCommand(name))!;
    expect(command.name()).toBe(name);
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 });
    command.outputHelp();
    expect(text).toMatch(/\nExamples?:\n/);
    expect(text.split("\n").length).toBeLessThanOrEqual(50);
  });

  it("refuses an unknown command", async () => {
    expect(await loadCommand("constructor")).toBeUndefined();
  });

  it.each([["--help"], ["doctor", "--help"], ["cache", "--help"]])(
    "loads no Pulumi for %s %s",
    (...words) => {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        ["--import", inCheckout("tests/support/loadedModules.js"), inCheckout("cli/main.ts"), ...words],
        { encoding: "utf8" },
      );
      expect({ status, help: stdout.startsWith("Usage: lab") }).toEqual({ status: 0, help: true });
      const loaded = stderr.split("\n").filter((line) => line.startsWith("loaded: "));
      expect(loaded.some((line) => line.includes("/cli/main.ts"))).toBe(true);
      expect(loaded.filter((line) => line.includes("@pulumi"))).toEqual([]);
    },
  );

  it("refuses a stack name that would be a path, before it does anything", () => {
    const result = spawnSync(inCheckout("lab"), ["down", "--stack", ".."], {
      encoding: "utf8",
      // As in a shell without Pulumi settings; otherwise, the user's backend would be mentioned first.
      env: { PATH: process.env.PATH, HOME: "/nonexistent" },
    });
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^lab: "\.\." is not a valid stack name: .*\n$/);
  }, 60_000);
});

describe("ssh", () => {
  // `sh -c` parses a command like a node's login shell.
  const run = (words: string[]): string =>
    execFileSync("bash", ["-c", commandLine("sh -c", words)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });

  it("passes a single word to the node's shell unchanged", () => {
    expect(run(["printf '%s\\n' b a | sort"])).toBe("a\nb\n");
  });

  it("keeps the arguments of a command separate", () => {
    expect(run(["printf", "%s|", "a b", "it's", "$HOME"])).toBe("a b|it's|$HOME|");
  });

  it("names the nodes if the given one does not exist", () => {
    const nodes = nodesOf("local", { nodes: [{ name: "meta" }, { name: "node1" }] });
    expect(nodeNamed(nodes, "node1").name).toBe("node1");
    expect(() => nodeNamed(nodes, "node9")).toThrow('there is no node "node9"; nodes: meta, node1');
  });

  it("gives advice if there is no cluster", () => {
    expect(() => nodesOf("second", {})).toThrow("run ./lab up --stack second");
    expect(() => nodesOf("second", undefined)).toThrow("run ./lab up --stack second");
  });
});

describe("down", () => {
  it("names what is left, and ends with the count", () => {
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

  it("keeps images that another stack's disks may need", async () => {
    mkdirSync(join(stacks, "second"), { recursive: true });
    expect(await purgeCache(cache, stacks, false)).toContain("second may use it");
    rmSync(stacks, { recursive: true });
    expect(existsSync(cache)).toBe(true);
  });

  it("keeps a cache that other checkouts share", async () => {
    expect(await purgeCache(cache, stacks, true)).toContain(`kept ${cache}`);
    expect(existsSync(cache)).toBe(true);
  });

  it("removes the cache if nothing can need it", async () => {
    expect(await purgeCache(cache, stacks, false)).toBe("removed the cache of images");
    expect(existsSync(cache)).toBe(false);
  });
});

describe("status", () => {
  it("reports that a local machine without files does not run", () => {
    expect(areLocal({ targetFacts: { emulated: true } })).toBe(true);
    expect(areLocal({ targetFacts: { expires: "2026-11-26T12:00:00Z" } })).toBe(false);
    expect(machineState("no-such-stack", "node1")).toBe("not running, its files are gone");
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
