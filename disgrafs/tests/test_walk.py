"""After a walk, the graph equals the directories."""

import contextlib
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from disgrafs.events.log import LogEntry, VolumeLog
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT, Changes, Entry, Listed, Missed, Tag, Tagged, Written
from disgrafs.index import follow
from disgrafs.index import walk as walking
from disgrafs.mount import Mount
from disgrafs.tests.folder import Folder


def tree(folder: Path) -> set[str]:
    return {
        os.fsdecode(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    }


def known(graph: Graph) -> set[str]:
    return {work.path for work in graph.due(1e12, 10_000)}


@contextlib.contextmanager
def root_of_a_volume(folder: Path) -> Iterator[None]:
    """Meanwhile, a folder is listed as a volume's root is, though its inode is another."""
    root = folder.stat().st_ino
    real = walking.list_directory

    def pretend(mount: Mount, inode: int, path: str, excluded: Collection[bytes]) -> Iterator[list[Listed]]:
        return real(mount, root if inode == ROOT else inode, path, excluded)

    walking.list_directory = pretend  # type: ignore[assignment]
    try:
        yield
    finally:
        walking.list_directory = real


def walk(graph: Graph, folder: Path, excluded: Collection[bytes] = ()) -> int:
    """A walk of a folder; returns the number of nodes that it removed."""
    with Folder(folder) as mount, root_of_a_volume(folder):
        return walking.walk(graph, mount, lambda: None, excluded)[1]


class Silent(VolumeLog):
    """The log of a volume in which nothing changes."""

    def __init__(self) -> None:
        pass

    def newest(self) -> tuple[int, str]:
        return 7, "digest"

    def read(self, after: int, count: int, digest: str = "") -> list[LogEntry]:
        assert (after, digest) == self.newest()
        return []

    def wait(self, after: int, seconds: float) -> None:
        pass


def test_a_walk_is_repeated_when_other_directories_are_excluded(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "Mount", lambda point: Folder(Path(point)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_text("a")
    (tmp_path / "b").write_text("b")

    def started(*excluded: bytes) -> set[str]:
        """Follows the volume in a new process until there is nothing to do."""
        with root_of_a_volume(tmp_path):
            follower = follow.Follower(graph, Silent(), str(tmp_path), lambda: None, excluded)
            while follower.step():
                pass
        return known(graph)

    assert started() == {"out/a", "b"}
    assert started(b"out") == {"b"}
    # With the same names there is no other walk.
    (tmp_path / "c").write_text("c")
    assert started(b"out") == {"b"}
    assert started(b"out", b"x\xff") == {"b", "c"}
    assert started() == {"out/a", "b", "c"}


def test_a_walk_finds_all_files_and_a_second_one_finds_changes(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three", "a/b/new\nline"):
        (tmp_path / name).write_text(name)
    (tmp_path / os.fsdecode(b"inv\xff")).write_text("x")
    (tmp_path / "link").symlink_to("one")
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "one", tmp_path / "a/hard")
    walk(graph, tmp_path)
    assert graph.counts().directories == 3
    assert known(graph) | {"one"} == tree(tmp_path) - {"a/hard"} | {"a/hard", "one"}
    inode = (tmp_path / "one").stat().st_ino
    file = graph.file(inode)
    assert file
    assert file.paths == ("a/hard", "one")

    (tmp_path / "a/b").rename(tmp_path / "moved")
    (tmp_path / "a/two").unlink()
    (tmp_path / "a/two").mkdir()
    removed = walk(graph, tmp_path)
    assert removed == 1
    assert graph.inode("moved/three")
    assert graph.inode("a/b") is None
    two = graph.inode("a/two")
    assert two
    assert two.directory


def test_a_walk_leaves_out_excluded_directories(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "a/out/b").mkdir(parents=True)
    for name in ("a/one", "a/out/two", "a/out/b/three", "out"):
        (tmp_path / name).write_text(name)
    walk(graph, tmp_path)
    assert known(graph) == {"a/one", "a/out/two", "a/out/b/three", "out"}
    assert walk(graph, tmp_path, {b"out"}) == 4
    assert known(graph) == {"a/one", "out"}
    walk(graph, tmp_path)
    assert known(graph) == {"a/one", "a/out/two", "a/out/b/three", "out"}


def test_tagged_files_are_not_tagged_again(graph: Graph, tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).write_text(name)
    walk(graph, tmp_path)
    for work in graph.due(time.time() + 1, 10):
        facts = (tmp_path / work.path).stat()
        tags = (Tag("x", 1.0, "text"),)
        graph.commit(
            [Tagged(work.inode, work.version, "text", 1, "text/plain", facts.st_size, facts.st_mtime_ns, tags)], 1.0
        )
    assert known(graph) == set()
    (tmp_path / "other").write_text("longer than before")
    walk(graph, tmp_path)
    assert known(graph) == {"other"}


def test_failed_files_are_not_tried_again_by_every_walk(graph: Graph, tmp_path: Path) -> None:
    for name in ("broken", "killer"):
        (tmp_path / name).write_text(name)
    walk(graph, tmp_path)

    def fail() -> None:
        for work in graph.due(time.time() + 1, 10):
            # Of a file that kills its tagger nobody has read size and time.
            facts = (tmp_path / work.path).stat() if work.path == "broken" else None
            size, time_ns = (facts.st_size, facts.st_mtime_ns) if facts else (None, None)
            missed = Missed(work.inode, work.version, "x", 1, "no", None, size=size, mtime_ns=time_ns)
            graph.missed([missed])

    fail()
    walk(graph, tmp_path)
    assert known(graph) == set()
    (tmp_path / "broken").write_text("mended")
    (tmp_path / "killer").write_text("mended too")
    walk(graph, tmp_path)
    assert known(graph) == {"broken", "killer"}
    # One that came by the log and killed its tagger is tried again by the first walk, and by no other.
    inode = (tmp_path / "killer").stat().st_ino
    graph.apply(Changes(written={inode: Written(99, time.time())}), 99, 0.0)
    fail()
    walk(graph, tmp_path)
    fail()
    walk(graph, tmp_path)
    assert known(graph) == set()


def test_directories_found_by_a_listing_are_read_in_turn(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "new/deep").mkdir(parents=True)
    (tmp_path / "new/deep/file").write_text("x")
    inode = (tmp_path / "new").stat().st_ino
    graph.apply(Changes(entries={(1, "new"): Entry(inode, directory=True)}, scan={inode}), 1, 0.0)
    with Folder(tmp_path) as mount:
        for _ in range(2):
            for flagged in graph.to_scan():
                path = graph.path(flagged)
                assert path
                walking.scan_directory(graph, mount, flagged, path, lambda: None)
                graph.scanned(flagged)
    assert graph.to_scan() == []
    assert known(graph) == {"new/deep/file"}
