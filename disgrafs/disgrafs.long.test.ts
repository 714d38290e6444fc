/** DisGraFS on one real machine: all its parts, files of many kinds, and a kill of each part. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRun } from "../provisioning/disgrafs/disgrafs.ts";
import { portOptions } from "../provisioning/ray/ray.ts";
import { exposedCanaries } from "../tests/support/canaries.ts";
import { nodeScript } from "../tests/support/nodeScript.ts";
import { startTestVm, type TestVm } from "../tests/support/vm.ts";

const address = "10.77.0.10";
const venv = "/opt/disgrafs/venv";
const app = "/opt/disgrafs/app";
const mountPoint = "/mnt/jfs";
const meta = `redis://${address}:6379/0`;
const graph = `falkordb://${address}:6390`;
const redisPassword = "canary-volume";
const graphPassword = "canary-graph";
const api = `${address}:8088`;
const token = "canary-token-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/** A program for the machine that uses the package, with the variable `graph`. */
const python = (program: string): string =>
  `PYTHONPATH=${app} DISGRAFS_GRAPH=${graph} DISGRAFS_GRAPH_PASSWORD_FILE=/etc/disgrafs/graph-password \
  DISGRAFS_MOUNT=${mountPoint} ${venv}/bin/python - <<'PYTHON'
import os, time
from pathlib import Path
from disgrafs import names
from disgrafs.graph import GraphAddress, GraphUnavailableError, open_graph
from disgrafs.graph.model import Search, State
graph = open_graph(GraphAddress.from_environment())
volume = Path(os.environ["DISGRAFS_MOUNT"])
${program}
PYTHON
`;

/** Waits until the graph equals the result of a walk and no file waits; then prints states and how often files were tagged. */
const settled = python(`
from disgrafs.index.walk import list_directory
from disgrafs.mount import Mount

def truth():
    found, waiting = {}, [(1, "")]
    with Mount(str(volume)) as mount:
        while waiting:
            inode, path = waiting.pop()
            for piece in list_directory(mount, inode, path):
                for listed in piece:
                    inside = (path + "/" if path else "") + names.real(listed.name)
                    found[inside] = listed.entry.inode
                    if listed.entry.directory:
                        waiting.append((listed.entry.inode, inside))
    return found

def known():
    below, found, waiting = {}, {}, [(1, "")]
    for parent, name, inode, directory in graph.read(
        "MATCH (p:Dir)-[h:has]->(x) RETURN p.ino, h.name, x.ino, labels(x)[0] = 'Dir'"
    ):
        below.setdefault(parent, []).append((names.real(name), inode, directory))
    while waiting:
        inode, path = waiting.pop()
        for name, child, directory in below.get(inode, ()):
            inside = (path + "/" if path else "") + name
            found[inside] = child
            if directory:
                waiting.append((child, inside))
    nodes = sum(graph.read(f"MATCH (n:{label}) RETURN count(n)")[0][0] for label in ("File", "Dir")) - 1
    return found, nodes

deadline = time.monotonic() + 900
while True:
    try:
        is_, (has, nodes) = truth(), known()
        if is_ == has and nodes == len(set(is_.values())) and graph.waiting()[State.WAITING] == 0:
            break
        problem = sorted(set(is_.items()) ^ set(has.items()))[:5], nodes, graph.waiting()
    except (GraphUnavailableError, OSError) as error:
        problem = error
    if time.monotonic() > deadline:
        raise SystemExit(f"not settled: {os.fsencode(repr(problem))}")
    time.sleep(0.5)
states = graph.waiting()
most = graph.read("MATCH (f:File) RETURN max(f.times)")[0][0]
print(states[State.TAGGED], states[State.FAILED], most)
`);

describe("DisGraFS on one machine", () => {
  let vm: TestVm;
  let staged: string;
  beforeAll(async () => {
    staged = await mkdtemp(join(tmpdir(), "disgrafs-app-"));
    const source = fileURLToPath(new URL(".", import.meta.url));
    await cp(source, join(staged, "disgrafs"), {
      recursive: true,
      filter: (path) => path === source || isRun(path.slice(source.length)),
    });
    await cp(
      join(source, "../node_modules/cytoscape/dist/cytoscape.esm.min.mjs"),
      join(staged, "vendor", "cytoscape.esm.min.mjs"),
    );
    vm = await startTestVm({ name: "disgrafs", memoryMiB: 2560 });
    const check = async (...call: Parameters<typeof nodeScript>): Promise<string> =>
      await vm.check(nodeScript(...call), 900);
    await check("redis/start.sh", [address, "6379"], [redisPassword]);
    await check("juicefs/format.sh", [meta, "disgrafs", "file", "/var/lib/blocks/", "true"], ["", ""]);
    const options = [
      "--attr-cache=1 --entry-cache=1 --dir-entry-cache=1",
      "--backup-meta=0 --buffer-size=64",
    ];
    await check("juicefs/mount.sh", [
      meta,
      mountPoint,
      "/var/cache/juicefs",
      `${address}:9567`,
      ...options,
      "true",
    ]);
    const runtime = (
      await vm.check(
        `${venv}/bin/python -c 'import platform, importlib.metadata as m; print(platform.python_version(), m.version("ray"))'`,
      )
    ).trim();
    const where = [address, address, "boot", "6380", '{"client_vm": 1}', runtime, "100", "", ""];
    await check("ray/start.sh", ["head", venv, ...where, ...portOptions()]);
  }, 2_400_000);
  afterAll(async () => {
    await rm(staged, { recursive: true, force: true });
    expect(await vm.stop()).toEqual([]);
  }, 600_000);

  /** Files are written, and half-way the command kills something. Text with many digits would take seconds in emulation (kind.py). */
  async function losesNothing(kill: string): Promise<void> {
    await vm.check(
      `mkdir -p ${mountPoint}/chaos
export folder=$(mktemp -d ${mountPoint}/chaos/XXXX)
for i in $(seq 60); do
  echo "a zebra grazes on the plain, number $i" >$folder/$i
  if [ $i = 30 ]; then ${kill}; fi
done`,
      600,
    );
    // Each file was tagged once for its last version, even if parts were restarted.
    const [, failed] = (await vm.check(settled, 1000)).split(" ");
    expect(failed).toBe("1");
    const times = python(
      `print(graph.read("MATCH (f:File) WHERE f.search CONTAINS 'zebra' RETURN min(f.times), max(f.times)")[0])`,
    );
    expect(await vm.check(times)).toBe("[1, 1]");
  }

  it("starts the graph with a password, only on the private address", async () => {
    const start = nodeScript("graph/start.sh", [address, "6390", venv], [graphPassword]);
    expect(await vm.check(start)).toMatch(/^4\.16\.\d+ in Redis 8\./);
    expect(await vm.check(nodeScript("graph/check.sh", [address, "6390"], [graphPassword]))).toBe("ok");
    expect(await vm.check("ss -Hltn 'sport = :6390' | awk '{print $4}'")).toBe(`${address}:6390`);
    const since = "systemctl show -p ActiveEnterTimestampMonotonic --value disgrafs-graph";
    const first = await vm.check(since);
    await vm.check(start);
    expect(await vm.check(since)).toBe(first);
  }, 600_000);

  it("finds a file by its tag", async () => {
    await vm.check(nodeScript("folder/create.sh", [app]));
    await vm.push(join(staged, "disgrafs"), app);
    const places = [app, venv, meta, mountPoint, graph, `${address}:6380`];
    const start = ["1", ".disgrafs-benchmark/node_modules", "20", `${address}:9437`, `${address}:9438`];
    expect(await vm.check(nodeScript("disgrafs/start.sh", [...places, ...start]), 900)).toBe("started");
    const probe = await vm.check(nodeScript("disgrafs/write.sh", [mountPoint]));
    const found = await vm.check(nodeScript("disgrafs/check.sh", [app, venv, graph, probe]), 900);
    expect(JSON.parse(found)).toMatchObject({ files: 1, tags: 2 });
  }, 1_800_000);

  it("recognises each kind by its content, with any name", async () => {
    await vm.check(
      python(`
import io, os, wave, docx
from PIL import Image
os.makedirs(volume / "kinds/deep", exist_ok=True)
prose = "The blue whale is a marine mammal. A blue whale eats krill. " * 20
def put(name, content):
    with open(os.fsencode(volume / "kinds") + b"/" + name, "wb") as file:
        file.write(content)
put(b"prose", prose.encode())
put(b"code.txt", b"import os\\n\\nclass Whale:\\n    def sing(self, ocean):\\n        return ocean.listen(self)\\n" * 5)
buffer = io.BytesIO(); Image.new("RGB", (300, 200), (9, 9, 200)).save(buffer, "JPEG"); put(b"picture.pdf", buffer.getvalue())
document = docx.Document(); document.add_paragraph(prose); document.save(buffer := io.BytesIO()); put(b"deep/doc", buffer.getvalue())
with wave.open(buffer := io.BytesIO(), "wb") as sound:
    sound.setnchannels(1); sound.setsampwidth(2); sound.setframerate(8000); sound.writeframes(bytes(1600))
put(b"sound", buffer.getvalue())
put(b"empty", b"")
put(b"broken.png", b"\\x89PNG\\r\\n\\x1a\\n" + bytes(64))
for name in (b"new\\nline", b"%41", b"inv\\xff", "Gr\\u00f6\\u00dfe \\u5831\\u544a, (a b).TXT".encode(), b"it's \\"q\\" \\\\"):
    put(name, prose.encode())
os.link(volume / "kinds/prose", volume / "kinds/deep/hard")
os.symlink("/etc/shadow", volume / "kinds/link")
os.mkfifo(volume / "kinds/pipe")
os.mknod(volume / "kinds/device", 0o20600, os.makedev(1, 5))
with open(volume / "kinds/sparse", "wb") as file:
    file.write(prose.encode()); file.truncate(2 << 30)
`),
      600,
    );
    expect(await vm.check(settled, 1000)).toMatch(/^13 1 /);
    const kinds = await vm.check(
      python(`
for file in sorted(graph.search(Search(within=graph.inode("kinds").inode)).files, key=lambda file: file.path):
    print(file.tagger, file.state.value, file.kind or file.reason, ascii(names.shown(file.path)[6:]))
print(graph.search(Search(words=("whale", "MAMMAL"))).total, graph.search(Search(words=("\\u5831",), tags=("Blue Whale",))).total)
print(sorted(graph.file(graph.inode("kinds/prose").inode).paths))
`),
    );
    expect(kinds.split("\n")).toEqual(
      [
        "text tagged text/plain '%41'",
        `text tagged text/plain 'Gr\\xf6\\xdfe \\u5831\\u544a, (a b).TXT'`,
        "picture failed UnidentifiedImageError",
        "source tagged text/x-python 'code.txt'",
        "word tagged application/vnd.openxmlformats-officedocument.wordprocessingml.document 'deep/doc'",
        "text tagged text/plain 'deep/hard'",
        "other tagged inode/x-empty 'empty'",
        "text tagged text/plain 'inv\\ufffd'",
        `text tagged text/plain 'it\\'s "q" \\\\'`,
        "text tagged text/plain 'new\\nline'",
        "picture tagged image/jpeg 'picture.pdf'",
        "media tagged audio/x-wav 'sound'",
        "text tagged text/plain 'sparse'",
        "7 1",
        "['kinds/deep/hard', 'kinds/prose']",
      ].map((line): unknown => (line.includes("Unidentified") ? expect.stringContaining(line) : line)),
    );
  }, 2_400_000);

  it("follows renames, clones and batches of deletions", async () => {
    await vm.check(
      `cd ${mountPoint}
export META_PASSWORD_FILE=/etc/disgrafs/redis-password JFS_NO_UPDATE_CHECK=1
mkdir -p a/b/c; for i in $(seq 30); do echo "a whale sings in the deep ocean, number $i" >a/b/$i; done
echo one >a/b/c/deep; mv a/b/1 a/2; mv a/b a/bb; mv a/2 a/bb/2
juicefs clone a clone >/dev/null; mv clone/bb/3 clone/moved; juicefs clone a/bb/4 one >/dev/null
cp a/bb/5 copied; truncate -s 3 a/bb/6; echo more >>a/bb/7
juicefs rmr a/bb >/dev/null; mkdir gone; echo x >gone/x; rm -r gone`,
      600,
    );
    await vm.check(settled, 1000);
  }, 1_500_000);

  it.each([
    ["the index", "systemctl kill -s KILL disgrafs-index"],
    ["the dispatcher", "systemctl kill -s KILL disgrafs-taggers"],
    ["a tagger", "pkill -KILL -f ray::Tagger || true"],
    ["the graph", "systemctl kill -s KILL disgrafs-graph"],
    ["the volume's Redis", "systemctl kill -s KILL redis-server; sleep 1; systemctl start redis-server"],
    ["Ray", "systemctl kill -s KILL ray"],
  ])(
    "loses nothing if %s is killed while files are written",
    async (_, kill) => {
      await losesNothing(kill);
    },
    1_500_000,
  );

  it("has the graph again after a power cut that took its newest changes and left zeros at the end of its file", async () => {
    await vm.check(
      `mkdir ${mountPoint}/cut; for i in $(seq 30); do echo "an okapi hides in the forest, number $i" >${mountPoint}/cut/$i; done`,
    );
    await vm.check(settled, 1000);
    const walks = "journalctl -q -u disgrafs-index -o cat | grep -c 'walked .* directories'";
    const before = await vm.check(walks);
    const cursor = python("print(graph.cursor())");
    const last = Number(await vm.check(cursor));
    await vm.check(
      `systemctl stop disgrafs-index disgrafs-taggers
systemctl kill -s KILL disgrafs-graph; systemctl stop disgrafs-graph
f=$(ls -t /var/lib/disgrafs-graph/appendonlydir/*.incr.aof | head -n 1)
truncate -s $(($(stat -c %s "$f") * 9 / 10)) "$f"; head -c 4096 /dev/zero >>"$f"
systemctl start disgrafs-graph`,
      300,
    );
    expect(await vm.check("journalctl -q -u disgrafs-graph -o cat | grep -c 'ended with 4096 zeros'")).toBe(
      "1",
    );
    expect(Number(await vm.check(cursor))).toBeLessThan(last);
    await vm.check("systemctl start disgrafs-index disgrafs-taggers", 600);
    await vm.check(settled, 1000);
    expect(await vm.check(python(`print(graph.search(Search(words=("okapi",))).total)`))).toBe("30");
    // From the log, not by a walk.
    expect(await vm.check(walks)).toBe(before);
  }, 1_800_000);

  it("walks the volume after a gap in the log", async () => {
    await vm.check(
      `systemctl stop disgrafs-index
echo "a walrus" >${mountPoint}/walrus; rm ${mountPoint}/kinds/sound
export REDISCLI_AUTH=${redisPassword}; redis-cli -h ${address} ltrim txnLog -1 -1 >/dev/null
systemctl start disgrafs-index`,
    );
    await vm.check(settled, 1000);
    expect(await vm.check("journalctl -q -u disgrafs-index -o cat | grep -c 'has a gap'")).toBe("1");
  }, 1_500_000);

  it("shows files by its API and its command, only on the private address and with the token", async () => {
    await vm.push(join(staged, "vendor"), app);
    const start = nodeScript("disgrafs/apiStart.sh", [api, app, venv], [token]);
    expect(await vm.check(start, 900)).toBe("started");
    const command = nodeScript("disgrafs/command.sh", [api, app, venv], [token]);
    expect(await vm.check(command, 300)).toContain(mountPoint);
    await vm.check(
      `echo "a wombat" >${mountPoint}/wombat; until disgrafs find tag:wombat; do sleep 1; done`,
      900,
    );
    expect(await vm.check("disgrafs find WOMBAT | cut -f1")).toBe(`${mountPoint}/wombat`);
    expect(await vm.check("stat -c %a /etc/disgrafs/api-token")).toBe("600");
    expect(await vm.check("ss -Hltn 'sport = :8088' | awk '{print $4}'")).toBe(api);
    const inode = await vm.check(`stat -c %i ${mountPoint}/wombat`);
    // curl gets the token over its standard input.
    const ask = (method: string, path: string): string =>
      `sed 's/^/Authorization: Bearer /' /etc/disgrafs/api-token | curl -sS -X ${method} -H @- http://${api}${path}`;
    expect(await vm.check(ask("GET", `/api/files/${inode}/content`))).toBe("a wombat");
    await losesNothing("systemctl kill -s KILL disgrafs-api");
    await vm.check("until disgrafs find wombat; do sleep 1; done", 600);
    // A folder moves, and the file is deleted at its new path.
    await vm.check(
      `mkdir ${mountPoint}/from; mv ${mountPoint}/wombat ${mountPoint}/from/; mv ${mountPoint}/from ${mountPoint}/to`,
    );
    await vm.check(settled, 1000);
    expect(JSON.parse(await vm.check(ask("DELETE", `/api/files/${inode}`)))).toEqual({
      deleted: [`${mountPoint}/to/wombat`],
    });
    expect(await vm.check(`ls ${mountPoint}/to`)).toBe("");
    await vm.check(settled, 1000);
    expect(await vm.check("disgrafs find wombat || echo status $?")).toBe("status 1");
  }, 2_400_000);

  it("comes back by itself after a reset of the machine while files are written", async () => {
    await vm.check(`echo "a narwhal" >${mountPoint}/narwhal; sync`);
    // Both Redis may lose their last second, each another one: then versions of the log belong to other changes.
    await vm.check(
      `mkdir ${mountPoint}/reset
systemd-run -q bash -c 'for i in $(seq 100000); do echo "a narwhal dives below the arctic ice in the long winter night, number $i" >${mountPoint}/reset/$i; done'
until [ -e ${mountPoint}/reset/50 ]; do sleep 0.2; done
# The first files and their blocks are on the disk, some later ones are not.
sync
more=$(($(ls ${mountPoint}/reset | wc -l) + 20))
until [ -e ${mountPoint}/reset/$more ]; do sleep 0.2; done`,
      600,
    );
    await vm.reset();
    await vm.check(
      "systemctl start redis-server juicefs disgrafs-graph ray disgrafs-index disgrafs-taggers",
      900,
    );
    // Contents that the store had not written yet are lost, and JuiceFS tries for 14 s to read each: a new file waits for their first tries, 16 at a time.
    await vm.check(
      `echo "a dugong grazes in the warm bay, and the dugong is calm" >${mountPoint}/after
until disgrafs find --json dugong is:tagged | jq -e '.total == 1'; do sleep 2; done >/dev/null 2>&1`,
      900,
    );
    await vm.check(
      `ls ${mountPoint}/reset | xargs -P 32 -I{} sh -c 'cat ${mountPoint}/reset/{} >/dev/null 2>&1 || rm ${mountPoint}/reset/{}'`,
      900,
    );
    await vm.check(settled, 1000);
    const kept = Number(await vm.check(`ls ${mountPoint}/reset | wc -l`));
    expect(kept).toBeGreaterThanOrEqual(50);
    const narwhals = `
print(graph.search(Search(words=("narwhal",))).total, graph.inode("narwhal").inode in {
    file.inode for file in graph.search(Search(words=("narwhal",), limit=100000)).files})`;
    expect(await vm.check(python(narwhals))).toBe(`${kept + 1} True`);
  }, 2_400_000);

  it("has metrics for Prometheus", async () => {
    const metrics = await vm.check(`curl -sf http://${address}:9437/metrics http://${address}:9438/metrics`);
    for (const name of [
      "disgrafs_log_behind_entries",
      'disgrafs_files{state="waiting"} 0',
      "disgrafs_searchable_seconds_bucket",
      "disgrafs_files_tagged_total",
    ])
      expect(metrics).toContain(name);
  }, 300_000);

  it("has no secret in the arguments of processes or in the journal", async () => {
    expect(await vm.check(exposedCanaries)).toBe("");
  }, 300_000);

  it("is removed completely", async () => {
    for (const [script, args] of [
      ["disgrafs/commandRemove.sh", []],
      ["disgrafs/apiStop.sh", []],
      ["disgrafs/stop.sh", [meta]],
      ["disgrafs/remove.sh", [app]],
      ["graph/forget.sh", []],
      ["graph/stop.sh", []],
    ] as const)
      await vm.check(nodeScript(script, args));
    const left = `ls -d ${app} /var/lib/disgrafs-graph /var/cache/disgrafs-models /etc/disgrafs/graph* /etc/disgrafs/disgrafs.env \
/etc/systemd/system/disgrafs-{index,taggers,graph,api}.service /etc/disgrafs/api-token /usr/local/bin/disgrafs 2>/dev/null || true; ss -Hltn '( sport = :6390 or sport = :8088 or sport = :9437 or sport = :9438 )'`;
    expect(await vm.check(left)).toBe("");
    const tagging = "ps -eo args | grep -c '[r]ay::Tagger' || true";
    expect(await vm.check(tagging)).toBe("0");
  }, 600_000);
});
