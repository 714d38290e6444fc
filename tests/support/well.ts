/** What `./lab status` says of a lab when all is well. */
import type { LabStatus } from "../../cli/status/labStatus.ts";
import { lab, succeed } from "./lab.ts";

/** A lab with DisGraFS: no problem, each of its services runs and answers, and so many files at least are tagged. */
export async function saysThatDisgrafsIsWell(stack: string, files: number): Promise<void> {
  const { output } = await lab("status", "--stack", stack, "--json");
  const status = JSON.parse(output) as LabStatus;
  expect(status.problems).toEqual([]);
  const wrong = status.services.filter((each) => each.state !== "active" || each.unanswered.length > 0);
  expect(wrong).toEqual([]);
  const parts = ["graph", "DisGraFS index", "DisGraFS taggers", "DisGraFS API"];
  expect(status.services.map(({ service }) => service)).toEqual(expect.arrayContaining(parts));
  expect(status.disgrafs).toEqual({
    behind: 0,
    files: { waiting: 0, tagged: expect.any(Number) as number, failed: 0 },
  });
  expect(status.disgrafs?.files.tagged).toBeGreaterThanOrEqual(files);
  expect(await succeed("status", "--stack", stack)).toMatch(
    /^DisGraFS: 0 changes behind; files: .*\d+ tagged/m,
  );
}
