"""The tagging workload: all clients write files at once, until DisGraFS has tagged each of them.

The agents on the clients call `write`, and the driver on the Ray head watches the graph (`Watch`). A file is searchable
when the graph has reported its tags, by the head's clock.
"""

import importlib
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

APP = "/opt/disgrafs/app"
SETTINGS = Path("/etc/disgrafs/disgrafs.env")
TAGGERS_UNIT = Path("/etc/systemd/system/disgrafs-taggers.service")
# Seconds between searches while files are tagged, and at least this many times a search's own time: on a slow machine,
# searches would otherwise take the CPU from the taggers.
SEARCH_PAUSE = 0.1
SEARCH_PAUSE_TIMES = 9
TAGGERS = re.compile(r"^disgrafs_taggers (\S+)$", re.MULTILINE)


def of_disgrafs(module: str) -> Any:  # noqa: ANN401
    """Import a module of DisGraFS, which is on all clients of a lab with DisGraFS."""
    if APP not in sys.path:
        sys.path.append(APP)
    return importlib.import_module(f"disgrafs.{module}")


def corpus(seed: int, first: int, files: int) -> list[tuple[str, bytes]]:
    """Create names and contents of files, before the window, which includes only the writing."""
    make = of_disgrafs("corpus.make")
    pieces = [make.piece(seed, number) for number in range(first, first + files)]
    return [(piece.path.replace("/", "_"), piece.content) for piece in pieces]


def write(folder: Path, pieces: list[tuple[str, bytes]]) -> list[tuple[int, float]]:
    """Write files; returns the inode of each, and the time at which it was closed, by this node's clock."""
    closed = []
    for name, content in pieces:
        with (folder / name).open("xb") as file:
            file.write(content)
            inode = os.fstat(file.fileno()).st_ino
        closed.append((inode, time.time()))
    return closed


class Watch:
    """Records the graph's events from now on, and the times of searches meanwhile."""

    def __init__(self, words: list[str]) -> None:
        self.graph = open_graph()
        self.model = of_disgrafs("graph.model")
        self.words = words
        self.tagged: dict[int, list[float]] = {}
        self.failed: set[int] = set()
        self.searches: list[float] = []
        self.after = self.graph.last_event()
        self.ending = threading.Event()
        self.error: Exception | None = None
        self.threads = [
            threading.Thread(target=self.guard, args=(part,), daemon=True) for part in (self.read, self.ask)
        ]

    def __enter__(self) -> "Watch":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(60)

    def guard(self, part: Any) -> None:  # noqa: ANN401
        """Run a thread's work, and keep its error for the result of the window."""
        try:
            part()
        except Exception as error:
            self.error = error

    def read(self) -> None:
        """Record events as they arrive."""
        while not self.ending.is_set():
            for event in self.graph.events(self.after, 1000, 0.5):
                self.after = event.id
                if event.kind == "tagged":
                    self.tagged.setdefault(event.inode, []).append(time.time())
                elif event.kind == "failed":
                    self.failed.add(event.inode)

    def ask(self) -> None:
        """Search for words of the corpus, one after the other."""
        number, pause = 0, SEARCH_PAUSE
        while not self.ending.wait(pause):
            begin = time.perf_counter()
            self.graph.search(self.model.Search(words=(self.words[number % len(self.words)],)))
            seconds = time.perf_counter() - begin
            self.searches.append(seconds)
            number, pause = number + 1, max(SEARCH_PAUSE, SEARCH_PAUSE_TIMES * seconds)

    def wait(self, inodes: set[int], seconds: float) -> None:
        """Wait until all files have tags or have failed, at most for `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.error is None:
            if all(inode in self.tagged or inode in self.failed for inode in inodes):
                return
            time.sleep(0.1)


def open_graph() -> Any:  # noqa: ANN401
    """Open the lab's graph, which only the Ray head has access to."""
    for line in SETTINGS.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.startswith("DISGRAFS_GRAPH"):
            os.environ[name] = value
    graph = of_disgrafs("graph")
    return graph.open_graph(graph.GraphAddress.from_environment())


def words() -> list[str]:
    """Words for searches: the first term of each topic in each language."""
    topics = of_disgrafs("corpus.topics").TOPICS
    return [terms[0] for topic in topics.values() for terms in topic.values()]


def taggers() -> int:
    """Number of taggers that are ready, from their dispatcher's metrics."""
    where = re.search(r"DISGRAFS_METRICS=(\S+)", TAGGERS_UNIT.read_text())
    if where is None:
        raise RuntimeError(f"{TAGGERS_UNIT} has no DISGRAFS_METRICS, so the taggers cannot be counted")
    with urlopen(f"http://{where[1]}/metrics", timeout=60) as answer:
        found = TAGGERS.search(answer.read().decode())
    return int(float(found[1])) if found else 0


def wait_until_calm(clients: int, seconds: float) -> None:
    """Wait until all clients' taggers are ready and no file waits. RuntimeError after `seconds`."""
    settings = dict(line.split("=", 1) for line in SETTINGS.read_text().splitlines() if "=" in line)
    wanted = clients * int(settings["DISGRAFS_TAGGERS"])
    graph = open_graph()
    waiting_state = of_disgrafs("graph.model").State.WAITING
    deadline = time.monotonic() + seconds
    try:
        while True:
            ready, waiting = taggers(), graph.waiting()[waiting_state]
            if ready >= wanted and waiting == 0:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"DisGraFS has {ready} of {wanted} taggers ready, and {waiting} files wait")
            time.sleep(0.2)
    finally:
        graph.close()


def record(watch: Watch, closed: list[tuple[str, int, float]], start: float) -> dict[str, Any]:
    """The raw file of a window: for each file, its client and the seconds from its close to its tags, or null."""
    if watch.error is not None:
        raise RuntimeError(f"the graph did not answer: {watch.error}")
    files: list[dict[str, Any]] = []
    last = start
    for client, inode, moment in closed:
        # A file that was tagged while it was being written is tagged again.
        after = [seen for seen in watch.tagged.get(inode, []) if seen >= moment]
        last = max([last, *after[:1]])
        files.append({"client": client, "seconds": after[0] - moment if after else None})
    return {"seconds": last - start, "files": files, "searches": watch.searches}
