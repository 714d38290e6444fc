/** Two whole labs next to each other, each with all services on the same addresses of its own network. */
import { existsSync } from "node:fs";
import { stackFolder } from "../stacks/local/paths.ts";
import { runningVm } from "../stacks/local/vm.ts";
import { onNode, removeStack, story, succeed } from "./support/lab.ts";
import { attackedMeanwhile } from "./support/neighbour.ts";

// ./lab test recognises a test's stacks by this name, and removes them after a killed test.
const [first, second] = [`labtest-${process.pid}`, `second.lab_${process.pid}`] as const;
const minutes = (count: number): number => count * 60_000;
const start = new Date();
const { step } = story();

const up = (stack: string): Promise<string> =>
  succeed("up", "--stack", stack, "-c", "topology=single", "-c", "benchmark=none");
const redis = "REDISCLI_AUTH=$(cat /etc/disgrafs/redis-password) redis-cli -h 10.77.0.10";

describe("two labs on this computer", () => {
  afterAll(async () => {
    for (const stack of [first, second]) await removeStack(stack);
  }, minutes(10));

  step(
    "come up at the same time, each with its own volume and passwords",
    async () => {
      await Promise.all([first, second].map(up));
      for (const stack of [first, second]) await onNode(stack, "node1", `echo ${stack} >/mnt/jfs/whose`);
      const facts = "cat /mnt/jfs/whose /etc/disgrafs/redis-password";
      const [own, other] = await Promise.all([first, second].map((stack) => onNode(stack, "node1", facts)));
      expect(own).toContain(first);
      expect(other).toContain(second);
      expect(own!.split("\n")[1]).not.toBe(other!.split("\n")[1]);
    },
    minutes(40),
  );

  step(
    "do not affect each other when one goes down, while another user of this computer attacks",
    async () => {
      expect(await attackedMeanwhile(succeed("down", "--stack", second), start)).toContain(
        `0 left of stack ${second}`,
      );
      expect(existsSync(stackFolder(second))).toBe(false);
      expect(runningVm(first, "node1")).toBeDefined();
      expect(await onNode(first, "node1", `${redis} ping; cat /mnt/jfs/whose`)).toBe(`PONG\n${first}`);
      expect(await succeed("down", "--stack", first)).toContain(`0 left of stack ${first}`);
    },
    minutes(10),
  );
});
