"""Measures DisGraFS on this computer, without machines: `python -m disgrafs.tests.latency [FILES]`, as root.

Runs the parts of a lab as processes on loopback: Redis, a mounted JuiceFS volume, FalkorDB, Ray, the index and the
dispatcher with a tagger for each CPU. Prints how long files take from their close until their tags are in the graph
(p50, p99), written singly with a pause between them, and how many files a second are tagged when all are written at
once.

It needs Ray, which is not among the tools for development: `pip install --require-hashes -r tools/requirements-dev.txt`
and `pip install ray==VERSION`, with the version of provisioning/requirements.txt, into an environment of its own.
"""

import os
import sys
import tempfile
import threading
import time
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


def write(mount: Path, numbers: range, pause: float) -> dict[int, float]:
    """Writes files of the corpus, made beforehand. Gives the time at which each was closed, by inode."""
    pieces = [corpus.piece(SEED, number) for number in numbers]
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


def measure(mount: Path, watch: Watch, files: int) -> None:
    """Prints the figures."""
    # The first files wait until the taggers have loaded their libraries and the model of pictures.
    watch.wait(set(write(mount, range(100), 0)))
    closed = write(mount, range(100, 100 + files), PAUSE_SECONDS)
    watch.wait(set(closed))
    times = quantiles((watch.tagged[inode] - at for inode, at in closed.items()), n=100, method="inclusive")
    print(f"close to searchable, {files} files singly: p50 {times[49]:.2f} s, p99 {times[98]:.2f} s")
    begin = time.time()
    closed = write(mount, range(100 + files, 100 + 2 * files), 0)
    watch.wait(set(closed))
    seconds = max(watch.tagged[inode] for inode in closed) - begin
    written = max(closed.values()) - begin
    print(f"{files} files written at once, in {written:.1f} s: {files / seconds:.0f} tagged per second")


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
