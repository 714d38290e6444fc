import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const prelude = readFileSync(new URL("./prelude.sh", import.meta.url), "utf8");

/** Runs a script as a step does, which is ended after some seconds. */
function step(seconds: number, script: string) {
  const result = spawnSync("timeout", ["-k", "10", String(seconds), "bash", "-s"], {
    input: `${prelude}\nset -euo pipefail\n${script}\n`,
    encoding: "utf8",
  });
  return { status: result.status, stderr: result.stderr };
}

describe("a step", () => {
  it("says what it was waiting for when its time is over", () => {
    const { status, stderr } = step(2, 'wait_for 1000 "the end of the world" false');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("says it also when the time is over while it asks, by a function whose own lines are not shown", () => {
    const { status, stderr } = step(2, 'ask() { sleep 100; }; wait_for 1000 "the end of the world" ask');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("gives up what nobody works on, and says what did not come", () => {
    expect(step(60, 'wait_for 1 "the answer" false; echo never >&2')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^the answer did not come in time\n/) as string,
    });
  });

  it("gives up a service that is busy with being started again and again, and says so", () => {
    const { status, stderr } = step(
      60,
      `systemctl() { echo $((SECONDS * 4)); }
      journalctl() { echo cannot map; }
      work_of_unit() { echo $((SECONDS * 1000000)); }
      unit_of_step=graph.service
      wait_for 1 "the graph" false`,
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^the graph did not come in time\ngraph.service was restarted \d+ times meanwhile\n/,
    );
    expect(stderr).toContain("the last lines of graph.service:\ncannot map\n");
  });

  it("counts the restarts of the whole wait: each time limit may see only one", () => {
    const { status, stderr } = step(
      60,
      `systemctl() { echo $((SECONDS / 2)); }
      journalctl() { echo cannot map; }
      work_of_unit() { echo $((SECONDS * 1000000)); }
      unit_of_step=graph.service
      wait_for 2 "the graph" false`,
    );
    expect(status).toBe(1);
    expect(stderr).toContain("graph.service was restarted 3 times meanwhile");
  });

  it("goes on as soon as it has what it waits for, and ends with its own status", () => {
    const { status, stderr } = step(60, 'wait_for 50 "the answer" true; echo done >&2; exit 3');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^done\n/);
  });
});
