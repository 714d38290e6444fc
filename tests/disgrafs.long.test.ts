/** DisGraFS in a lab of three machines: files of each kind are found from a shell and in the page. */
import { labForPrograms, onNode, removeStack, story, succeed } from "./support/lab.ts";
import { eachKindIsFound } from "./support/eachKind.ts";
import { untilWell } from "./support/well.ts";

// ./lab test recognises a test's stack by this name, and removes it after a killed test.
const stack = `labtest-${process.pid}`;
const minutes = (count: number): number => count * 60_000;
const on = (node: string, script: string): Promise<string> => onNode(stack, node, script);
const { step } = story();

describe("DisGraFS on three machines", () => {
  afterAll(async () => {
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up with the lab",
    async () => {
      await succeed("up", "--stack", stack, "-c", "benchmark=none", "-c", "disgrafs=true");
    },
    minutes(40),
  );

  step(
    "finds a file of each kind that node2 writes: from node1's shell, by ./lab find, and in the page",
    async () => {
      // A file of each client, by which DisGraFS was checked.
      await eachKindIsFound(stack, 2);
    },
    minutes(15),
  );

  step(
    "reports a graph that hangs, and no problem afterwards",
    async () => {
      const hangs = "graph runs, but does not answer";
      await on("meta", "systemctl kill -s STOP disgrafs-graph.service");
      expect(await labForPrograms("status", "--stack", stack)).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining(hangs) as string,
      });
      await on("meta", "systemctl kill -s CONT disgrafs-graph.service");
      await untilWell(stack, minutes(3));
    },
    minutes(8),
  );

  step(
    "is removed with its setting, and the lab keeps working",
    async () => {
      await succeed("up", "--stack", stack, "--unset", "disgrafs");
      const left =
        "ls -d /opt/disgrafs/app /etc/disgrafs/api-token /usr/local/bin/disgrafs 2>/dev/null || true";
      expect(await on("node1", left)).toBe("");
      expect(await on("node1", "findmnt -no FSTYPE /mnt/jfs")).toBe("fuse.juicefs");
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
    },
    minutes(15),
  );
});
