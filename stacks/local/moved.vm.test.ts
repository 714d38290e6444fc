/** Checkouts that were moved or copied, and stacks that were renamed, while their lab is up: each finds its own machines. */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyCheckout, labIn, pulumiIn, upIn, type Run } from "../../tests/support/copiedCheckout.ts";
import { identify, isAlive, type ProcessId } from "../../workshop/process.ts";

const root = mkdtempSync(join(tmpdir(), "moved "));
const [first, second, third] = ["one", "two", "three"].map((name) => join(root, name)) as [
  string,
  string,
  string,
];
const minutes = (count: number): number => count * 60_000;

/** The processes of a checkout's lab, according to its records. */
function processesOf(folder: string, stack = "local"): ProcessId[] {
  return ["network", "machines/m"].map((part) => {
    const file = join(folder, ".lab/stacks", stack, part, "state.json");
    return (JSON.parse(readFileSync(file, "utf8")) as { process: ProcessId }).process;
  });
}

function expectGood({ exitCode, output }: Run): string {
  if (exitCode !== 0) throw new Error(output.slice(-4000));
  return output;
}

/** Returns with any exit status, because machines that were just started need not answer ssh yet. */
const statusIn = async (folder: string, ...args: string[]): Promise<string> =>
  (await labIn(folder, "status", ...args)).output;

const alive = (processes: readonly ProcessId[]): boolean[] => processes.map(isAlive);

describe("a lab whose checkout is moved, copied, or whose stack is renamed", () => {
  let moved: ProcessId[];
  let other: ProcessId[];

  afterAll(async () => {
    for (const folder of [first, second, third].filter((path) => existsSync(path)))
      for (const stack of ["local", "renamed"]) await labIn(folder, "down", "--stack", stack);
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, minutes(10));

  it(
    "is found after its checkout was moved, and nothing is created again",
    async () => {
      copyCheckout(first);
      expectGood(await pulumiIn(first, "stack", "init", "local"));
      expectGood(await upIn(first));
      moved = processesOf(first);
      renameSync(first, second);
      expect(await statusIn(second)).toContain(`running, pid ${moved[1]!.pid}`);
      expectGood(await upIn(second));
      expect(processesOf(second)).toEqual(moved);
      expect(alive(moved)).toEqual([true, true]);
      const config = readFileSync(join(second, ".lab/stacks/local/machines/m/ssh_config"), "utf8");
      expect(config).toContain(`IdentityFile "${second}/.lab/stacks/local/login_key"`);
    },
    minutes(10),
  );

  it(
    "goes down without affecting another lab at its old place",
    async () => {
      copyCheckout(first);
      expectGood(await pulumiIn(first, "stack", "init", "local"));
      expectGood(await upIn(first));
      other = processesOf(first);
      expect(expectGood(await labIn(second, "down"))).toContain("0 left of stack local");
      expect(alive(moved)).toEqual([false, false]);
      expect(alive(other)).toEqual([true, true]);
      expect(existsSync(join(first, ".lab/stacks/local/login_key"))).toBe(true);
      expect(await statusIn(first)).toContain(`running, pid ${other[1]!.pid}`);
    },
    minutes(10),
  );

  it(
    "is not affected by a copy of its checkout that comes up and goes down",
    async () => {
      cpSync(first, third, {
        recursive: true,
        filter: (path) => !/\/(s|qmp\.sock)$/.test(path),
        verbatimSymlinks: true,
      });
      expectGood(await upIn(third));
      const copied = processesOf(third);
      expect(alive(copied)).toEqual([true, true]);
      expect(copied.map(({ pid }) => pid)).not.toEqual(other.map(({ pid }) => pid));
      expect(expectGood(await labIn(third, "down"))).toContain("0 left of stack local");
      expect(alive(copied)).toEqual([false, false]);
      expect(alive(other)).toEqual([true, true]);
    },
    minutes(10),
  );

  it(
    "keeps its machines if its stack is renamed, even if a new stack has the old name",
    async () => {
      expectGood(await pulumiIn(first, "stack", "rename", "renamed", "--stack", "local"));
      expect(await statusIn(first, "--stack", "renamed")).toContain(`pid ${other[1]!.pid}`);
      expectGood(await pulumiIn(first, "stack", "init", "local"));
      const refused = await upIn(first, "local");
      expect(refused.exitCode).not.toBe(0);
      expect(refused.output).toContain("belong to stack renamed, which had this name before");
      expectGood(await upIn(first, "renamed"));
      expect(processesOf(first, "renamed")).toEqual(other);
      expectGood(await labIn(first, "down", "--stack", "local"));
      expect(alive(other)).toEqual([true, true]);
    },
    minutes(10),
  );

  it(
    "goes down completely under its new name, under which it was never brought up",
    async () => {
      expectGood(await pulumiIn(first, "stack", "rename", "local2", "--stack", "renamed"));
      expect(expectGood(await labIn(first, "down", "--stack", "local2"))).toContain("0 left of stack local2");
      expect(alive(other)).toEqual([false, false]);
      expect(identify(other[1]!.pid)).toBeUndefined();
      expect(existsSync(join(first, ".lab/stacks/renamed"))).toBe(false);
    },
    minutes(10),
  );
});
