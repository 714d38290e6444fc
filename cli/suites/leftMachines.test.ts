import { spawnSync } from "node:child_process";
import { stacksOfDeadTests } from "./leftMachines.ts";

it("should select exactly the stacks of tests whose process has ended", () => {
  const { pid: dead } = spawnSync("true");
  const alive = process.pid;
  expect(
    stacksOfDeadTests([
      `test-fuse-one-${dead}-1`,
      `test-fuse-${alive}-1`,
      `test.VM_odd-name.x-${dead}`,
      `labtest-${dead}`,
      `second.lab_${dead}`,
      `labtest-${alive}`,
      `exttest-${dead}`,
      "local",
      "test-1",
      `course-${dead}`,
    ]),
  ).toEqual([
    `test-fuse-one-${dead}-1`,
    `test.VM_odd-name.x-${dead}`,
    `labtest-${dead}`,
    `second.lab_${dead}`,
    `exttest-${dead}`,
  ]);
});
