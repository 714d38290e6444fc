import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A package `ray` that answers for one node, and prints the cluster's errors as Ray 2.60 does: to standard output, also at exit. */
const fakeRay = `
import atexit, socket

def init(**_):
    print("\\x1b[33m(raylet)\\x1b[0m The node with node id: 1 has been marked dead")
    atexit.register(lambda: print("(raylet) once more"))

def nodes():
    return [{"NodeID": "1", "NodeManagerAddress": "10.77.0.11", "Alive": True}]

def get(values, timeout):
    return values

def remote(num_cpus):
    class Task:
        def __init__(self, function): self.remote = function
        def options(self, scheduling_strategy): return self
    return Task
`;

describe("the check of a Ray cluster", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ray-check-"));
    mkdirSync(join(folder, "ray/util"), { recursive: true });
    writeFileSync(join(folder, "ray/__init__.py"), fakeRay);
    writeFileSync(join(folder, "ray/util/__init__.py"), "");
    writeFileSync(
      join(folder, "ray/util/scheduling_strategies.py"),
      "def NodeAffinitySchedulingStrategy(node, soft): pass\n",
    );
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("prints its answer alone, when Ray prints that a node is dead", () => {
    const program = fileURLToPath(new URL("./check.py", import.meta.url));
    const printed = execFileSync("python3", [program, "10.77.0.11:6380", "1"], {
      env: { ...process.env, PYTHONPATH: folder },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(JSON.parse(printed)).toEqual({
      nodes: [expect.any(String)],
      seconds: expect.any(Number) as number,
    });
  });
});
