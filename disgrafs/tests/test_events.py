"""Entries of JuiceFS 1.4.2's change log (recorded from a real mount), and their effect on the graph."""

import pytest

from disgrafs import names
from disgrafs.events.fold import TRASH, fold
from disgrafs.events.log import LogEntry, parse
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT, Entry

BIN = TRASH + 1


def entries(*lines: str, first: int = 1) -> list[LogEntry]:
    return [parse(first + i, f"1795975198.12345|{line}|(1,{i})".encode()) for i, line in enumerate(lines)]


class Volume:
    """Feeds entries to a graph in batches, as the index does."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.version = 0
        self.excluded: set[bytes] = set()

    def log(self, *lines: str, batch: int = 1000) -> None:
        for start in range(0, len(lines), batch):
            some = entries(*lines[start : start + batch], first=self.version + 1)
            self.version = some[-1].version
            self.graph.apply(fold(some, self.graph.kinds, self.excluded), self.version, 1000.0)

    def waiting(self) -> dict[str, int]:
        return {work.path: work.version for work in self.graph.due(1e9, 1000)}


@pytest.fixture
def volume(graph: Graph) -> Volume:
    return Volume(graph)


def file(parent: int, name: str, inode: int) -> tuple[str, str]:
    return f"CREATE({parent},{name},0,0,1,420,18,,linux,false):{inode}", f"WRITE({inode},0,0,1,2,1795975198,1):0"


def directory(parent: int, name: str, inode: int) -> str:
    return f"CREATE({parent},{name},0,0,2,493,18,,linux,true):{inode}"


def test_an_entry_is_parsed() -> None:
    (entry,) = entries("MOVE(2,Gr%C3%B6%C3%9Fe%2C %28a b%29,2,b,1,0,9223372032828243969):3")
    assert (entry.operation, entry.number(0), entry.name(1).decode(), entry.result) == ("MOVE", 2, "Größe, (a b)", "3")
    assert entry.at == 1795975198.12345


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"1.2|WRITE(3)", b"1.2|write(3)|(1,2)", b"1|WRITE(3)|(1,2)"])
def test_an_invalid_entry_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="entry 7"):
        parse(7, raw)


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_escaped_names_are_decoded(volume: Volume, batch: int) -> None:
    volume.log(
        *file(1, "new%0Aline", 5), *file(1, "inv%FF", 6), *file(1, "%2541", 7), *file(1, "%2C%28%29%7C", 8), batch=batch
    )
    assert {names.stored(path) for path in volume.waiting()} == {"new\nline", "/inv%FF", "%41", ",()|"}


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_every_operation_has_its_effect(volume: Volume, batch: int) -> None:
    volume.log(
        directory(1, "d", 2),
        *file(2, "a", 3),
        "LINK(3,1,l1,false):2",
        "CREATE(1,sym,0,0,3,511,0,d/a,linux,false):8",
        "CREATE(1,fifo,0,0,4,420,18,,linux,false):9",
        f"CREATE({TRASH},2026-11-29-17,0,0,2,365,0,,linux,false):{BIN}",
        f"MOVE(2,a,2,b,1,0,{BIN}):3",
        directory(1, "e", 10),
        f"MOVE(1,e,2,e2,1,0,{BIN}):10",
        *file(10, "deep", 11),
        *file(1, "r1", 12),
        *file(1, "r2", 13),
        f"MOVE(1,r1,1,r2,0,13,{BIN}):12",
        "FLOCK(12,5264745815580008011,W)",
        "INCR_COUNTER(nextChunk,4096)",
        "SET(lastCleanupSessions,1795975209)",
        "DIRSTAT(1,30,45056,11)",
        batch=batch,
    )
    assert set(volume.waiting()) == {"d/b", "d/e2/deep", "r2"}
    assert volume.graph.inode("r2") == Entry(12, directory=False)
    assert volume.graph.file(13) is None
    assert volume.graph.inode("l1") == Entry(3, directory=False)
    assert volume.graph.inode("sym") is None
    volume.log(
        *file(1, "x1", 35),
        *file(1, "x2", 36),
        "MOVE(1,x1,1,x2,2,36,0):35",
        "MOVE(1,d,2,d,2,10,0):2" if batch < 0 else "TRUNCATE(35,8,10,1)",
        f"UNLINK(1,r2,{BIN},false,false):12",
        *file(10, "1", 21),
        *file(10, "2", 22),
        f"UNLINKBATCH(10,1,2,deep,{BIN},false):21,22,11",
        f"RMDIR(2,e2,{BIN}):10",
        batch=batch,
    )
    assert volume.graph.inode("x1") == Entry(36, directory=False)
    assert volume.graph.inode("x2") == Entry(35, directory=False)
    assert set(volume.waiting()) == {"d/b", "x1", "x2"}
    assert volume.graph.counts().directories == 2
    assert volume.graph.to_scan() == []


def test_only_operations_that_change_content_make_a_file_wait(volume: Volume) -> None:
    volume.log(*file(1, "a", 5), *file(1, "b", 6))
    assert volume.waiting() == {"a": 2, "b": 4}
    volume.log("SETATTR(5,1,0,0,0,384,0,1,1,1,1,1,1,0)", "COPYFILERANGE(5,0,6,0,5):5", "FALLOCATE(5,0,100,0)")
    assert volume.waiting() == {"a": 7, "b": 6}
    volume.log("SETATTR(6,432,0,0,0,420,0,1,1,1,1,1,1,0)")
    assert volume.waiting()["b"] == 8


def test_directories_with_unlogged_contents_are_marked_for_a_scan(volume: Volume) -> None:
    volume.log(directory(1, "d", 2), *file(2, "a", 3))
    volume.log("CLONE(2,1,copy,28,0,18,true):28", "ATTACH(28,1,copy)")
    assert volume.graph.to_scan() == [28]
    assert volume.graph.path(28) == "copy"
    volume.graph.scanned(28)
    volume.log("CLONE(3,2,one,31,0,18,true):31")
    assert volume.graph.inode("d/one") == Entry(31, directory=False)
    assert volume.graph.to_scan() == []
    volume.log(f"MOVE({BIN},2-40-back,2,back,33,0,{BIN}):40")
    assert volume.graph.to_scan() == [2]
    volume.graph.scanned(2)
    # It may be a symbolic link, or a file of a clone that has not been looked at yet.
    volume.log(f"MOVE(28,unknown,{ROOT},known,1,0,{BIN}):77")
    assert volume.graph.to_scan() == [ROOT]


def test_a_directory_in_the_trash_is_removed_with_its_contents(volume: Volume) -> None:
    volume.log(directory(1, "d", 2), directory(2, "e", 3), *file(3, "a", 4), "LINK(4,1,kept,false):2")
    volume.log(f"MOVE(1,d,{BIN},1-2-d,0,0,{BIN}):2")
    assert volume.graph.counts().directories == 1
    assert volume.graph.path(4) == "kept"


def test_a_file_that_is_never_closed_is_tagged_too(volume: Volume) -> None:
    volume.log(*file(1, "log", 5))
    for second in range(8):
        some = entries("WRITE(5,0,0,1,2,1795975198,1):0", first=volume.version + 1)
        volume.version += 1
        at = some[0].at + second
        volume.graph.apply(fold(some, volume.graph.kinds), volume.version, at)
    # Three seconds of writing past the longest wait: it is due, though the last write was just now.
    assert [work.path for work in volume.graph.due(some[0].at + 7.0, 10)] == ["log"]


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_an_excluded_directory_is_left_out_with_its_contents(volume: Volume, batch: int) -> None:
    volume.excluded = {b"out", "mö".encode()}
    volume.log(
        directory(1, "in", 2),
        directory(2, "out", 3),
        *file(3, "a", 4),
        directory(3, "deep", 5),
        *file(5, "b", 6),
        directory(1, "m%C3%B6", 7),
        *file(7, "c", 8),
        # A file of that name is like any other.
        *file(1, "out", 9),
        *file(2, "d", 10),
        "CLONE(4,3,copy,31,0,18,true):31",
        "CLONE(5,3,copies,32,0,18,true):32",
        "ATTACH(32,3,copies)",
        *file(32, "e", 33),
        "MOVE(3,a,3,a2,1,0,0):4",
        "TRUNCATE(4,8,10,1)",
        "UNLINK(3,a2,0,false,false):4",
        f"MOVE({BIN},2-40-back,3,back,33,0,{BIN}):40",
        batch=batch,
    )
    assert set(volume.waiting()) == {"out", "in/d"}
    assert volume.graph.counts().directories == 2
    assert volume.graph.to_scan() == []
    assert {event.inode for event in volume.graph.events("0")} == {9, 10}
    volume.log("RMDIR(2,out,0):3", batch=batch)
    assert set(volume.waiting()) == {"out", "in/d"}


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_what_moves_into_an_excluded_directory_leaves_the_graph(volume: Volume, batch: int) -> None:
    volume.excluded = {b"out"}
    volume.log(
        directory(1, "out", 2),
        directory(1, "d", 3),
        directory(3, "e", 4),
        *file(4, "a", 5),
        *file(1, "b", 6),
        "LINK(6,1,kept,false):2",
        *file(1, "c", 7),
        *file(1, "f", 8),
        *file(2, "g", 9),
        batch=batch,
    )
    volume.log(
        "MOVE(1,d,2,d,1,0,0):3",
        *file(4, "later", 11),
        "MOVE(1,b,2,b,1,0,0):6",
        "MOVE(1,c,2,c,1,0,0):7",
        "MOVE(1,f,2,g,2,9,0):8",
        batch=batch,
    )
    assert set(volume.waiting()) == {"kept"}
    assert volume.graph.counts().directories == 1
    assert volume.graph.counts().files == 1
    # The file that came out is found by a scan, as the graph does not know it.
    assert volume.graph.to_scan() == [ROOT]


@pytest.mark.parametrize("batch", [1, 1000])
def test_a_directory_that_gets_or_loses_an_excluded_name(volume: Volume, batch: int) -> None:
    volume.excluded = {b"out"}
    volume.log(directory(1, "d", 2), *file(2, "a", 3), "MOVE(1,d,1,out,1,0,0):2", *file(2, "b", 4), batch=batch)
    assert volume.waiting() == {}
    assert volume.graph.counts().directories == 1
    volume.log("MOVE(1,out,1,d,1,0,0):2", *file(2, "c", 5), batch=batch)
    assert volume.graph.to_scan() == [ROOT]
