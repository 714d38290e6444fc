/** Checks that a lab has no problems, with `./lab status` and panels of its metrics. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LabStatus } from "../../cli/status/labStatus.ts";
import { panels } from "../../provisioning/monitoring/panels.ts";
import { labForPrograms, openPage, succeed } from "./lab.ts";

/** Waits until `./lab status` finds no problem: parts continue by themselves, which takes some time on a busy machine. */
export async function untilWell(stack: string, milliseconds: number): Promise<void> {
  const deadline = Date.now() + milliseconds;
  let status = await labForPrograms("status", "--stack", stack);
  while (status.exitCode !== 0 && Date.now() < deadline)
    status = await labForPrograms("status", "--stack", stack);
  expect(status).toMatchObject({ exitCode: 0 });
}

/** A lab with DisGraFS has no problems, its services run and answer, and at least this many files are tagged. */
export async function saysThatDisgrafsIsWell(stack: string, files: number): Promise<void> {
  const look = async (): Promise<LabStatus> =>
    JSON.parse((await labForPrograms("status", "--stack", stack, "--json")).output) as LabStatus;
  let status = await look();
  // On a busy computer, Prometheus sometimes misses a scrape; the next one succeeds.
  for (let again = 0; status.problems.length > 0 && again < 5; again++) {
    await sleep(10_000);
    status = await look();
  }
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

/** A panel for each source of metrics: the nodes, iostat, JuiceFS, Redis, Ray, the index and the taggers. */
const looked = [
  "Memory in use",
  "Requests (r/s, w/s, d/s, f/s)",
  "FUSE operations",
  "Redis memory",
  "Ray nodes",
  "Changes that are not in the graph yet",
  "Files by state",
];

/** Prometheus, through the tunnel of `./lab open prometheus`, reaches all nodes and has data for these panels. */
export async function panelsAreDrawn(stack: string, nodes: readonly string[]): Promise<void> {
  const { address, close } = await openPage(stack, "prometheus");
  const ask = async (query: string): Promise<readonly { metric: Readonly<Record<string, string>> }[]> => {
    const response = await fetch(`${address}api/v1/query?${new URLSearchParams({ query }).toString()}`);
    const answer = (await response.json()) as { data: { result: { metric: Record<string, string> }[] } };
    return answer.data.result;
  };
  try {
    const seen = (await ask("count by (node) (max_over_time(up[5m]) == 1)")).map(({ metric }) => metric.node);
    expect(seen.sort()).toEqual([...nodes].sort());
    const empty = [];
    for (const title of looked) {
      const panel = panels.find((each) => each.title === title);
      for (const { expr } of panel?.queries ?? [{ expr: `no panel is called ${title}` }]) {
        // On a busy machine, Prometheus sometimes misses a scrape, so data of the last minutes counts.
        if ((await ask(`last_over_time((${expr})[5m:5s])`)).length === 0) empty.push(`${title}: ${expr}`);
      }
    }
    expect(empty).toEqual([]);
  } finally {
    await close();
  }
}
