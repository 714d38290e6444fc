import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const prelude = readFileSync(new URL("./prelude.sh", import.meta.url), "utf8");

/** Runs a script like a step, with a time limit in seconds. */
function step(seconds: number, script: string) {
  const result = spawnSync("timeout", ["-k", "10", String(seconds), "bash", "-s"], {
    input: `${prelude}\nset -euo pipefail\n${script}\n`,
    encoding: "utf8",
  });
  return { status: result.status, stderr: result.stderr };
}

describe("a step", () => {
  it("reports what it waited for when its time is over", () => {
    const { status, stderr } = step(2, 'wait_for 1000 "the end of the world" false');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("reports it also if the time ends during a check by a function, whose code is not shown", () => {
    const { status, stderr } = step(2, 'ask() { sleep 100; }; wait_for 1000 "the end of the world" ask');
    expect(status).toBe(124);
    expect(stderr).toContain("timed out while waiting for the end of the world");
  });

  it("gives up after the time limit of a wait, and reports what it waited for", () => {
    expect(step(60, 'wait_for 1 "the answer" false; echo never >&2')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^the answer did not come in time\n/) as string,
    });
  });

  it("gives up on a service that is restarted again and again, and reports that", () => {
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

  it("counts the restarts during the whole wait, even if each time limit sees only one", () => {
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

  it("continues as soon as the wait is over, and ends with its own status", () => {
    const { status, stderr } = step(60, 'wait_for 50 "the answer" true; echo done >&2; exit 3');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^done\n/);
  });

  it("ends units that are there, and has nothing to do when an interrupted step had removed them", () => {
    const systemctl = (active: string): string => `systemctl() {
        case "$*" in
          "cat gone.service") return 1 ;;
          "cat "*) ;;
          "-q is-active "*) return ${active} ;;
          *) echo "$*" >&2 ;;
        esac
      }`;
    expect(step(60, `${systemctl("3")}; end_units a.service gone.service b.service`)).toEqual({
      status: 0,
      stderr: "stop a.service b.service\n-q --root=/ disable a.service b.service\n",
    });
    expect(step(60, `${systemctl("3")}; end_units gone.service`)).toEqual({ status: 0, stderr: "" });
    const left = step(60, `${systemctl("0")}; end_units a.service; echo never >&2`);
    expect(left.status).toBe(1);
    expect(left.stderr).toMatch(/a\.service is still active\n$/);
  });
});
