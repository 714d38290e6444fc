/** `./lab test`: set-up, then every test. */
import { existsSync, mkdirSync } from "node:fs";
import { Command } from "commander";
import { inCheckout, inLab } from "../../workshop/checkout.ts";
import { apply, environment } from "../environment.ts";
import { Problem } from "../problem.ts";
import { say } from "../pulumi.ts";
import { setUp } from "../setup/steps.ts";
import { removeLeftMachines } from "../suites/leftMachines.ts";
import { runSuites } from "../suites/run.ts";
import { suites, type Suite } from "../suites/suites.ts";

interface Options {
  readonly only?: string;
  readonly kernels?: string;
  readonly again: boolean;
  readonly list: boolean;
}

/** A CI run is ended after 90 minutes: stop before, with the closing line printed. */
const ciMinutes = 85;

export const test = new Command("test")
  .option("--only <names>", "only these suites or test files, with commas between them")
  .option("--kernels <list>", 'kernels for vm tests: "all", or names with commas between them')
  .option("--again", "run a test file that failed once more, and report what was flaky (CI does)", false)
  .option("--list", "print the suites, and run nothing", false)
  .addHelpText(
    "after",
    `
Output of a suite goes to .lab/test/SUITE.log; the end of it is shown when it fails. The last line counts all tests.

Examples:
  ./lab test
  ./lab test --only unit,sshd
  ./lab test --only stacks/local/vm.vm.test.ts
  ./lab test --only vm --kernels all`,
  )
  .action(async (options: Options) => {
    const chosen = choose(suites, options.only);
    if (options.list) {
      for (const suite of chosen) {
        process.stdout.write(
          `${suite.name.padEnd(16)} ${`${suite.minutes} min`.padStart(6)}  ${suite.what}\n`,
        );
      }
      return;
    }
    await setUp("test", { quiet: true });
    const env = await testEnvironment();
    if (options.kernels !== undefined) env.DISGRAFS_KERNELS = options.kernels;
    // Counted from the start of this process: set-up takes its part of CI's time.
    const totalMinutes = process.env.CI ? ciMinutes - performance.now() / 60_000 : undefined;
    await removeLeft();
    const good = await runSuites(chosen, { env, totalMinutes, again: options.again });
    await removeLeft();
    process.exitCode = good ? 0 : 1;
  });

/**
 * The suites with some names, in the table's order; of a suite whose test files are named, only those files. When nothing
 * is named, all but those that run by name only.
 */
export function choose(all: readonly Suite[], only: string | undefined): readonly Suite[] {
  if (only === undefined) return all.filter(({ onlyByName }) => onlyByName === undefined);
  const words = only.split(",").map((word) => word.trim());
  const files = words.filter((word) => word.endsWith(".test.ts"));
  const missing = files.find((file) => !existsSync(inCheckout(file)));
  if (missing !== undefined) throw new Problem(`there is no file ${missing} in the checkout`);
  const names = words.map((word) => (files.includes(word) ? suiteOf(word) : word));
  const unknown = names.find((name) => !all.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    throw new Problem(
      `there is no suite "${unknown}"; the suites: ${all.map((suite) => suite.name).join(", ")}`,
    );
  }
  return all
    .filter(({ name }) => names.includes(name))
    .map((suite) => ({
      ...suite,
      command: [...suite.command, ...files.filter((file) => suiteOf(file) === suite.name)],
    }));
}

/** `x.vm.test.ts` is a file of the suite vm, `x.test.ts` one of the suite unit. */
function suiteOf(file: string): string {
  return /\.(\w+)\.test\.ts$/.exec(file)?.[1] ?? "unit";
}

/** Before, for a run that was killed; after, for one that was interrupted. */
async function removeLeft(): Promise<void> {
  const removed = await removeLeftMachines();
  if (removed.length > 0) say(`removed the machines of tests that were interrupted: ${removed.join(", ")}`);
}

/** Tests never touch a user's own Pulumi backend: they have a state folder for themselves. */
async function testEnvironment(): Promise<NodeJS.ProcessEnv> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"));
  const state = inLab("test", "state");
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(others),
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_HOME: inLab("pulumi-home"),
    PULUMI_CONFIG_PASSPHRASE: "passphrase of the tests, which keep no secrets",
  };
  return apply(await environment(env), env);
}
