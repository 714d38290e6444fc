/** Removes machines of tests that were interrupted or killed; other tests remove their own machines. */
import { existsSync, readdirSync } from "node:fs";
import { stacksFolder } from "../../stacks/local/paths.ts";
import { identify } from "../../workshop/process.ts";
import { removeStack } from "../../stacks/local/removeStack.ts";

/** The names of tests' stacks contain their process id: test-NAME-PID-N, test.NAME-PID, labtest-PID, second.lab_PID, exttest-PID. */
const ofTest = /^(?:test-.+-(\d+)-\d+|(?:test\..+-|labtest-|second\.lab_|exttest-)(\d+))$/;

/** The stacks of tests whose process is gone. */
export const stacksOfDeadTests = (stacks: readonly string[]): readonly string[] =>
  stacks.filter((stack) => {
    const [, machine, lab] = ofTest.exec(stack) ?? [];
    const pid = machine ?? lab;
    return pid !== undefined && identify(Number(pid)) === undefined;
  });

/** Removes them. @returns their names */
export async function removeLeftMachines(): Promise<readonly string[]> {
  const dead = stacksOfDeadTests(existsSync(stacksFolder) ? readdirSync(stacksFolder) : []);
  for (const stack of dead) await removeStack(stack);
  return dead;
}
