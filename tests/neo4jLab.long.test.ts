/** A lab of one machine whose graph is in Neo4j; then the same lab with FalkorDB instead, and without DisGraFS. */
import { eachKindIsFound, findFromHere, type Piece } from "./support/eachKind.ts";
import { labForPrograms, onNode, pulumi, removeStack, story, succeed, upWith } from "./support/lab.ts";
import { saysThatDisgrafsIsWell, untilWell } from "./support/well.ts";

// ./lab test recognises a test's stack by this name, and removes it after a killed test.
const stack = `labtest-${process.pid}`;
const minutes = (count: number): number => count * 60_000;
const on = (script: string): Promise<string> => onNode(stack, "node1", script);
const { step } = story();

/** The program that listens on the graph's port. */
const listener = `ss -Hltnp sport = :6390 | grep -o '"[^"]*"' | sort -u`;
const graphOf = async (): Promise<string> =>
  (JSON.parse(await pulumi("stack", "output", "--json", "-s", stack)) as { health: { graph: string } }).health
    .graph;

describe("a lab with Neo4j", () => {
  let pieces: Piece[];
  afterAll(async () => {
    await removeStack(stack);
  }, minutes(5));

  step(
    "comes up, with a Java process on the graph's port",
    async () => {
      await upWith(stack, ["topology=single", "benchmark=none", "disgrafs.graph=neo4j"]);
      expect(await graphOf()).toMatch(/^Neo4j 5\.26\.\d+/);
      expect(await on(listener)).toBe('"java"');
    },
    minutes(45),
  );

  step(
    "finds a file of each kind, in a shell, by ./lab find and in the page, and its status is well",
    async () => {
      pieces = await eachKindIsFound(stack, 1, "node1");
    },
    minutes(20),
  );

  step(
    "reports a graph that hangs, and no problem afterwards",
    async () => {
      await on("systemctl kill -s STOP disgrafs-graph.service");
      expect(await labForPrograms("status", "--stack", stack)).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining("graph runs, but does not answer") as string,
      });
      await on("systemctl kill -s CONT disgrafs-graph.service");
      await untilWell(stack, minutes(5));
    },
    minutes(15),
  );

  step(
    "finds files that are written and removed while the graph is killed",
    async () => {
      const folder = "/mnt/jfs/killed";
      const files = 20;
      await on(`
        mkdir ${folder}
        for number in $(seq ${files}); do
          if [ "$number" = 10 ]; then systemctl kill -s KILL disgrafs-graph.service; fi
          echo "The walrus of number $number rests on the ice floe." >${folder}/walrus$number.txt
        done
        rm ${folder}/walrus5.txt ${folder}/walrus15.txt`);
      const left = files - 2;
      // Java takes minutes on an emulated machine; afterwards, the index continues from its cursor.
      const total = await on(`
        for _ in $(seq 300); do
          total=$(disgrafs find --json walrus in:${folder} is:tagged 2>/dev/null | jq .total) || true
          if [ "$total" = ${left} ]; then break; fi
          sleep 2
        done
        echo "$total"`);
      expect(total).toBe(String(left));
      await saysThatDisgrafsIsWell(stack, pieces.length + left);
    },
    minutes(20),
  );

  step(
    "moves to FalkorDB: the volume is walked, its files are tagged again, and nothing of Neo4j is left",
    async () => {
      await upWith(stack, ["disgrafs.graph=falkordb"]);
      expect(await graphOf()).toMatch(/^FalkorDB /);
      expect(await on(listener)).toBe('"redis-server"');
      const left = await on(
        "ls -d /opt/disgrafs/neo4j /var/lib/disgrafs-neo4j /var/lib/private/disgrafs-neo4j /etc/disgrafs/neo4j* 2>/dev/null || true",
      );
      expect(left).toBe("");
      await untilWell(stack, minutes(5));
      await findFromHere(stack, pieces);
    },
    minutes(30),
  );

  step(
    "is without DisGraFS after --unset, and down leaves nothing",
    async () => {
      await succeed("up", "--stack", stack, "--unset", "disgrafs");
      const left =
        "ls -d /opt/disgrafs/app /opt/disgrafs/neo4j /etc/disgrafs/*graph* /etc/disgrafs/neo4j* /etc/disgrafs/api-token /var/lib/disgrafs-* /var/lib/private/disgrafs-* /usr/local/bin/disgrafs 2>/dev/null || true";
      expect(await on(left)).toBe("");
      const running =
        "systemctl list-units --all --plain --no-legend disgrafs-{graph,index,taggers,api}.service; pgrep java || true";
      expect(await on(running)).toBe("");
      expect(await on("findmnt -no FSTYPE /mnt/jfs")).toBe("fuse.juicefs");
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
    },
    minutes(20),
  );
});
