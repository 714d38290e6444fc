"""Runs the API and the page on loopback, with a real FalkorDB, a folder as the volume, and uvicorn.

Instead of following a change log, it walks the folder repeatedly, and gives files the tags recorded by the corpus.
`python -m disgrafs.tests.stand FOLDER` runs it for the page's tests and for experiments: it prints a line of JSON, and
ends when its standard input is closed.
"""

import contextlib
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from disgrafs import corpus, names, text
from disgrafs.api.app import create_app
from disgrafs.api.server import Deadlines, config
from disgrafs.api.settings import Settings
from disgrafs.graph import Graph, open_graph
from disgrafs.graph.model import ROOT, Entry, Listed, Missed, State, Tag, Tagged, Work
from disgrafs.graph.server import LocalFalkor, free_port

_KINDS = {
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".py": "text/x-python",
    ".mp3": "audio/mpeg",
}
Tags = Callable[[str], tuple[str, ...]]


class Walker:
    """Brings a graph up to a folder's state, as the index and the taggers do for a volume."""

    def __init__(self, graph: Graph, mount: Path) -> None:
        self.graph = graph
        self.mount = mount
        self.tags: dict[str, tuple[str, ...]] = {}
        self._generation = 0
        self._before: dict[int, list[Listed]] = {}

    def write_corpus(self, seed: int, files: int) -> list[corpus.Piece]:
        """Writes a corpus, and remembers the tags of its files."""
        pieces = list(corpus.write(self.mount, seed, range(files)))
        self.tags |= {piece.path: (*piece.words, piece.topic, piece.kind) for piece in pieces}
        return pieces

    def step(self) -> None:
        """One walk, and tags for all that wait. Nothing where nothing has changed."""
        listings = self._listings()
        if listings == self._before:
            return
        self._before = listings
        self._generation += 1
        for inode, listed in listings.items():
            self.graph.list_directory(inode, listed, self._generation, time.time())
            self.graph.listed_directory(inode, self._generation)
        self.graph.sweep()
        while work := [each for each in self.graph.due(time.time() + 60, 500) if (self.mount / each.path).exists()]:
            self.graph.commit([self._tagged(each) for each in work if "broken" not in each.path], time.time())
            self.graph.missed(
                [
                    Missed(each.inode, each.version, "test", 1, "the picture has no end", None)
                    for each in work
                    if "broken" in each.path
                ]
            )

    def _listings(self) -> dict[int, list[Listed]]:
        """Every folder's entries, by its inode; the folder itself is the root."""
        listings: dict[int, list[Listed]] = {}
        for folder, folders, files in os.walk(self.mount):
            listed: list[Listed] = []
            path = Path(folder)
            # A file may be deleted meanwhile: the next walk sees that.
            with contextlib.suppress(FileNotFoundError):
                listings[ROOT if path == self.mount else path.stat().st_ino] = listed
                for name in (*folders, *files):
                    status = (path / name).lstat()
                    entry = Entry(status.st_ino, directory=name in folders)
                    listed.append(Listed(names.stored(name), entry, status.st_size, status.st_mtime_ns))
        return listings

    def _tagged(self, work: Work) -> Tagged:
        path = self.mount / work.path
        status = path.lstat()
        words = self.tags.get(work.path) or tuple(text.words(path.stem))
        labels = dict.fromkeys(label for word in words if (label := text.label(word)))
        tags = tuple(Tag(label, 1 / (1 + rank), "test") for rank, label in enumerate(labels))
        kind = _KINDS.get(path.suffix.lower(), "application/octet-stream")
        return Tagged(work.inode, work.version, "test", 1, kind, status.st_size, status.st_mtime_ns, tags)


class Stand:
    """FalkorDB, walker and API over a folder."""

    def __init__(self, mount: Path, vendor: Path, deadlines: Deadlines | None = None) -> None:
        self.mount = mount
        self.token = secrets.token_hex(32)
        self.port = free_port()
        self.pieces: list[corpus.Piece] = []
        self._falkor = LocalFalkor()
        self._vendor = vendor
        self._deadlines = deadlines

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._falkor.start()
        self.graph = open_graph(self._falkor.address)
        self.graph.prepare()
        self.walker = Walker(self.graph, self.mount)
        root = self.mount.stat().st_ino
        settings = Settings("127.0.0.1", self.port, self.mount, self.token, self._vendor, root)
        app = create_app(open_graph(self._falkor.address), settings)
        self._server = uvicorn.Server(config(app, "127.0.0.1", self.port, self._deadlines))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("uvicorn did not start")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        self.graph.close()
        self._falkor.kill()

    def write_corpus(self, seed: int, files: int) -> None:
        """Fills the volume, and the graph."""
        self.pieces = self.walker.write_corpus(seed, files)
        self.walker.step()

    @property
    def connections(self) -> int:
        """How many clients uvicorn holds."""
        return len(self._server.server_state.connections)

    def stop_graph(self) -> None:
        """As when the machine of the graph dies."""
        self._falkor.kill()

    def start_graph(self) -> None:
        """And comes back, with its data."""
        self._falkor.start()


def main() -> None:
    """Runs one until standard input ends."""
    mount = Path(sys.argv[1])
    vendor = Path(__file__).parents[2] / "node_modules" / "cytoscape" / "dist"
    with Stand(mount, vendor) as stand:
        stand.write_corpus(seed=1, files=int(sys.argv[2]) if len(sys.argv) > 2 else 120)
        counts = stand.graph.counts()
        print(
            json.dumps({"address": stand.address, "token": stand.token, "files": counts.by_state[State.TAGGED]}),
            flush=True,
        )
        ended = threading.Thread(target=sys.stdin.read, daemon=True)
        ended.start()
        while ended.is_alive():
            stand.walker.step()
            ended.join(0.3)


if __name__ == "__main__":
    main()
