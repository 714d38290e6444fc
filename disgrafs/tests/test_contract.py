"""JuiceFS's change log is not a public interface: these tests fail if the pinned version changes its format.

They use a real JuiceFS with a real Redis by WebDAV, which needs no kernel support and so runs everywhere.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from disgrafs.events.fold import fold
from disgrafs.events.log import LogGapError, VolumeLog
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT
from disgrafs.tests.juicefs import JuiceFS


@pytest.fixture
def juicefs(tmp_path: Path) -> Iterator[JuiceFS]:
    with JuiceFS(tmp_path) as volume:
        volume.serve_webdav()
        yield volume


def test_the_pinned_juicefs_is_the_version_that_was_examined(juicefs: JuiceFS) -> None:
    assert juicefs.run("version").split()[2].startswith("1.4.2+")


def test_the_graph_follows_a_real_volume(juicefs: JuiceFS, graph: Graph) -> None:
    juicefs.dav("MKCOL", "/d/")
    juicefs.dav("MKCOL", "/d/e%20%C3%9F/")
    juicefs.dav("PUT", "/d/a.txt", content=b"one")
    juicefs.dav("PUT", "/d/e%20%C3%9F/%E5%A0%B1,(1)%0A%2541.txt", content=b"two")
    juicefs.dav("PUT", "/gone", content=b"three")
    juicefs.dav("PUT", "/replaced", content=b"four")
    juicefs.dav("DELETE", "/gone")
    juicefs.dav("MOVE", "/d/a.txt", to="/replaced")
    juicefs.dav("COPY", "/replaced", to="/d/copy")
    juicefs.dav("MOVE", "/d/e%20%C3%9F/", to="/moved")
    juicefs.dav("MKCOL", "/tree/")
    for number in range(5):
        juicefs.dav("PUT", f"/tree/{number}", content=b"x")
    juicefs.dav("DELETE", "/tree/")

    log = VolumeLog("127.0.0.1", juicefs.port)
    cursor = 0
    while batch := log.read(cursor, 7):
        graph.apply(fold(batch, graph.kinds), batch[-1].version, time.time(), batch[-1].digest)
        cursor = batch[-1].version
    assert cursor == log.last()
    assert log.newest() == (graph.cursor(), graph.cursor_digest())
    found = {work.path: work.inode for work in graph.due(time.time() + 10, 100)}
    assert set(found) == {"replaced", "d/copy", "moved/報,(1)\n%41.txt"}
    assert graph.counts().directories == 3
    # The inodes are those of the volume: Redis has them as i<inode>, with names in d<parent>.
    assert all(juicefs.redis.exists(f"i{inode}") for inode in found.values())
    root = juicefs.redis.hkeys(f"d{ROOT}")
    assert {name.decode() for name in root} == {"d", "moved", "replaced"}
    log.close()


def test_a_gap_in_the_log_is_noticed_and_a_wait_ends_with_the_next_change(juicefs: JuiceFS) -> None:
    log = VolumeLog("127.0.0.1", juicefs.port)
    juicefs.dav("PUT", "/a", content=b"x")
    last = log.last()
    assert [entry.version for entry in log.read(last - 2, 10)] == [last - 1, last]
    juicefs.redis.ltrim("txnLog", -1, -1)
    assert len(log.read(last - 1, 10)) == 1
    with pytest.raises(LogGapError):
        log.read(last - 2, 10)
    with pytest.raises(LogGapError):
        log.read(last + 1, 10)
    juicefs.dav("PUT", "/b", content=b"x")
    last = log.last()
    started = time.monotonic()
    log.wait(last, 0.3)
    assert time.monotonic() - started >= 0.25
    for name in "cde":
        change = Timer(1, juicefs.dav, ("PUT", f"/{name}"), {"content": b"x"})
        change.start()
        started = time.monotonic()
        log.wait(last, 60)
        assert time.monotonic() - started < 40, "Redis did not report the change"
        change.join()
        assert log.read(last, 10)
        last = log.last()
    log.close()


def test_metadata_that_lost_its_newest_changes_is_noticed_even_after_as_many_others(juicefs: JuiceFS) -> None:
    log = VolumeLog("127.0.0.1", juicefs.port)
    juicefs.dav("PUT", "/a", content=b"x")
    saved = {key: juicefs.redis.dump(key) for key in juicefs.redis.scan_iter()}
    juicefs.dav("PUT", "/lost", content=b"x")
    cursor, digest = log.newest()
    assert log.read(cursor, 10, digest) == []
    for key, value in saved.items():
        juicefs.redis.restore(key, 0, value, replace=True)
    with pytest.raises(LogGapError):
        log.read(cursor, 10, digest)
    while log.last() < cursor:
        juicefs.dav("PUT", "/b", content=b"other")
    # The versions alone do not tell.
    assert [entry.version for entry in log.read(cursor - 1, 1)] == [cursor]
    with pytest.raises(LogGapError, match="another change"):
        log.read(cursor, 10, digest)
    cursor, digest = log.newest()
    juicefs.dav("PUT", "/c", content=b"x")
    assert log.read(cursor, 10, digest)
    # An entry that has been trimmed cannot be compared.
    juicefs.redis.ltrim("txnLog", cursor - log.last(), -1)
    assert log.read(cursor, 10, digest)
    log.close()
