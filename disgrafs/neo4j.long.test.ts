/** Neo4j in place of FalkorDB: the graph's tests on this computer, and the service on one machine. */
import { join } from "node:path";
import { execa } from "execa";
import { devVenv } from "../cli/setup/python.ts";
import { nodeScript } from "../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";
import { inCheckout } from "../workshop/checkout.ts";
import { ensureNeo4j } from "../workshop/neo4j.ts";

const address = "10.77.0.10";
const venv = "/opt/disgrafs/venv";
const folder = "/opt/disgrafs/neo4j";
const password = "canary-graph";
/** The package's tests of the graph and of its writers. */
const tests = ["graph", "walk", "dispatch", "contract", "imageindex"].map((name) => `tests/test_${name}.py`);

describe("Neo4j", () => {
  let server: string;
  beforeAll(async () => {
    server = await ensureNeo4j((line) => process.stderr.write(`${line}\n`));
  }, 1_200_000);

  it("passes the tests that FalkorDB passes", async () => {
    const { all } = await execa(`${devVenv}/bin/python`, ["-m", "pytest", "--graph=neo4j", ...tests], {
      cwd: inCheckout("disgrafs"),
      env: { DISGRAFS_NEO4J: server },
      all: true,
    });
    expect(all).toMatch(/^\d+ passed in /m);
  }, 1_200_000);

  describe("on a machine", () => {
    let vm: TestVm;
    beforeAll(async () => {
      vm = await startTestVm({ name: "neo4j", memoryMiB: 1792 });
    }, 1_200_000);
    afterAll(async () => {
      expect(await vm.stop()).toEqual([]);
    }, 600_000);

    const start = nodeScript("graph/neo4j/start.sh", [address, "6390", folder, venv, "true"], [password]);

    it("starts with a password, only on the private address, as its own user", async () => {
      await vm.check(nodeScript("folder/create.sh", [folder]));
      for (const part of ["lib", "jre", "neo4j.sh"]) await vm.push(join(server, part), folder);
      expect(await vm.check(start, 900)).toMatch(/^5\.26\.\d+$/);
      const check = nodeScript("graph/neo4j/check.sh", [address, "6390", venv], [password]);
      expect(await vm.check(check, 300)).toBe("ok");
      const ports = "ss -Hltnp | grep java | awk '{print $4}' | sort -u";
      expect(await vm.check(ports)).toBe(`[::ffff:${address}]:6390`);
      const user = await vm.check("ps -o uid= -p $(systemctl show -p MainPID --value disgrafs-graph)");
      // systemd's range for dynamic users.
      expect(Number(user)).toBeGreaterThanOrEqual(61184);
      expect(Number(user)).toBeLessThanOrEqual(65519);
    }, 1_500_000);

    it("keeps written data when it is killed, and starts again by itself", async () => {
      const ask = (query: string): string =>
        `DISGRAFS_GRAPH_PASSWORD=$(cat /etc/disgrafs/graph-password) ${venv}/bin/python - <<'END'
import os, time
from neo4j import GraphDatabase
with GraphDatabase.driver("bolt://${address}:6390", auth=("neo4j", os.environ["DISGRAFS_GRAPH_PASSWORD"])) as driver:
    for _ in range(300):
        try:
            print(driver.execute_query("${query}").records[0][0])
            break
        except Exception:
            time.sleep(1)
END`;
      expect(await vm.check(ask("CREATE (n:Probe {x: 7}) RETURN n.x"), 600)).toBe("7");
      await vm.check("systemctl kill -s KILL disgrafs-graph");
      expect(await vm.check(ask("MATCH (n:Probe) RETURN n.x"), 600)).toBe("7");
    }, 1_500_000);

    it("has no password in arguments of processes or in logs", async () => {
      const found = await vm.check(
        "{ cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl -q -o cat; cat /var/lib/disgrafs-neo4j/logs/*; } | grep -c '[c]anary' || true",
      );
      expect(found).toBe("0");
    }, 300_000);

    it("is removed completely", async () => {
      for (const [script, args] of [
        ["graph/forget.sh", []],
        ["graph/stop.sh", []],
        ["folder/remove.sh", [folder]],
      ] as const)
        await vm.check(nodeScript(script, args), 300);
      const left = `ls -d ${folder} /var/lib/disgrafs-* /var/lib/private/disgrafs-* /etc/disgrafs/*graph* /etc/disgrafs/neo4j* /etc/systemd/system/disgrafs-graph.service 2>/dev/null || true; pgrep -c java || true`;
      expect(await vm.check(left)).toBe("0");
    }, 600_000);
  });
});
