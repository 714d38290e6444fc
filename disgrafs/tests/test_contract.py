"""JuiceFS's change log is not a public interface: these tests fail if the pinned version changes its format.

They use a real JuiceFS with a real Redis by WebDAV, which needs no kernel support and so runs everywhere.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest

from disgrafs.events.fold import TRASH, fold
from disgrafs.events.log import LogGapError, VolumeLog
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT
from disgrafs.tests.juicefs import Client, JuiceFS


@pytest.fixture
def juicefs(tmp_path: Path) -> Iterator[JuiceFS]:
    with JuiceFS(tmp_path) as volume:
        yield volume


@pytest.fixture
def dav(juicefs: JuiceFS) -> Client:
    return juicefs.serve_webdav()


def test_the_pinned_juicefs_is_the_version_that_was_examined(juicefs: JuiceFS) -> None:
    assert juicefs.run("version").split()[2].startswith("1.4.2+")


def test_the_graph_follows_a_real_volume(juicefs: JuiceFS, dav: Client, graph: Graph) -> None:
    dav("MKCOL", "/d/")
    dav("MKCOL", "/d/e%20%C3%9F/")
    dav("PUT", "/d/a.txt", content=b"one")
    dav("PUT", "/d/e%20%C3%9F/%E5%A0%B1,(1)%0A%2541.txt", content=b"two")
    dav("PUT", "/gone", content=b"three")
    dav("PUT", "/replaced", content=b"four")
    dav("DELETE", "/gone")
    dav("MOVE", "/d/a.txt", to="/replaced")
    dav("COPY", "/replaced", to="/d/copy")
    dav("MOVE", "/d/e%20%C3%9F/", to="/moved")
    dav("MKCOL", "/tree/")
    for number in range(5):
        dav("PUT", f"/tree/{number}", content=b"x")
    dav("DELETE", "/tree/")

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


def test_a_gap_in_the_log_is_noticed_and_a_wait_ends_with_the_next_change(juicefs: JuiceFS, dav: Client) -> None:
    log = VolumeLog("127.0.0.1", juicefs.port)
    dav("PUT", "/a", content=b"x")
    last = log.last()
    assert [entry.version for entry in log.read(last - 2, 10)] == [last - 1, last]
    juicefs.redis.ltrim("txnLog", -1, -1)
    assert len(log.read(last - 1, 10)) == 1
    with pytest.raises(LogGapError):
        log.read(last - 2, 10)
    with pytest.raises(LogGapError):
        log.read(last + 1, 10)
    dav("PUT", "/b", content=b"x")
    last = log.last()
    started = time.monotonic()
    log.wait(last, 0.3)
    assert time.monotonic() - started >= 0.25
    for name in "cde":
        change = Timer(1, dav, ("PUT", f"/{name}"), {"content": b"x"})
        change.start()
        started = time.monotonic()
        log.wait(last, 60)
        assert time.monotonic() - started < 40, "Redis did not report the change"
        change.join()
        assert log.read(last, 10)
        last = log.last()
    log.close()


def test_the_graph_follows_two_clients_that_write_at_once(juicefs: JuiceFS, dav: Client, graph: Graph) -> None:
    dav("MKCOL", "/both/")

    def write(client: Client, name: str) -> None:
        client("MKCOL", f"/{name}/")
        for number in range(30):
            client("PUT", f"/both/{name}{number}", content=b"x")
            # Both write and replace these names.
            client("PUT", f"/both/same{number % 3}", content=name.encode())
            if number % 3 == 0:
                client("MOVE", f"/both/{name}{number}", to=f"/{name}/moved{number}")
            elif number % 3 == 1:
                client("DELETE", f"/both/{name}{number}")
        client("MOVE", f"/{name}/", to=f"/both/{name}")

    log = VolumeLog("127.0.0.1", juicefs.port)
    cursor = 0
    with ThreadPoolExecutor() as threads:
        writers = [threads.submit(write, dav, "one"), threads.submit(write, juicefs.serve_webdav(), "two")]
        while not all(writer.done() for writer in writers) or cursor < log.last():
            # Small batches: changes of both are in one, and one change's entries in two.
            if batch := log.read(cursor, 3):
                graph.apply(fold(batch, graph.kinds), batch[-1].version, time.time(), batch[-1].digest)
                cursor = batch[-1].version
        for writer in writers:
            writer.result()
    log.close()
    names = {f"both/same{number}" for number in range(3)}
    names |= {f"both/{name}{number}" for name in ("one", "two") for number in range(2, 30, 3)}
    names |= {f"both/{name}/moved{number}" for name in ("one", "two") for number in range(0, 30, 3)}
    found = {work.path: work.inode for work in graph.due(time.time() + 10, 1000)}
    assert set(found) == names
    # As the volume's own metadata has them.
    assert juicefs.inode("both/same0") == found["both/same0"]
    assert juicefs.inode("both/two/moved27") == found["both/two/moved27"]
    counts = graph.counts()
    assert (counts.files, counts.directories) == (len(names), 4)


def test_metadata_that_lost_changes_is_noticed_even_after_as_many_others(juicefs: JuiceFS, dav: Client) -> None:
    log = VolumeLog("127.0.0.1", juicefs.port)
    dav("PUT", "/a", content=b"x")
    saved = {key: juicefs.redis.dump(key) for key in juicefs.redis.scan_iter()}
    dav("PUT", "/lost", content=b"x")
    cursor, digest = log.newest()
    assert log.read(cursor, 10, digest) == []
    for key, value in saved.items():
        juicefs.redis.restore(key, 0, value, replace=True)
    with pytest.raises(LogGapError):
        log.read(cursor, 10, digest)
    while log.last() < cursor:
        dav("PUT", "/b", content=b"other")
    # The versions alone do not tell.
    assert [entry.version for entry in log.read(cursor - 1, 1)] == [cursor]
    with pytest.raises(LogGapError, match="another change"):
        log.read(cursor, 10, digest)
    cursor, digest = log.newest()
    dav("PUT", "/c", content=b"x")
    assert log.read(cursor, 10, digest)
    # An entry that has been trimmed cannot be compared.
    juicefs.redis.ltrim("txnLog", cursor - log.last(), -1)
    assert log.read(cursor, 10, digest)
    log.close()


def test_what_is_restored_from_the_trash_is_listed_again(juicefs: JuiceFS, dav: Client, graph: Graph) -> None:
    log = VolumeLog("127.0.0.1", juicefs.port)

    def follow() -> None:
        while batch := log.read(graph.cursor() or 0, 100):
            graph.apply(fold(batch, graph.kinds), batch[-1].version, time.time(), batch[-1].digest)

    dav("MKCOL", "/d/")
    dav("MKCOL", "/d/e/")
    dav("PUT", "/d/e/a", content=b"one")
    inode = juicefs.inode("d/e/a")
    follow()
    assert graph.path(inode) == "d/e/a"
    dav("DELETE", "/d/e/")
    follow()
    assert graph.path(inode) is None
    assert graph.to_scan() == []
    # The trash has a folder for each hour.
    for hour in juicefs.redis.hkeys(f"d{TRASH}"):
        juicefs.run("restore", "--put-back", juicefs.meta, hour.decode())
    follow()
    assert juicefs.inode("d/e/a") == inode
    # Its listing has the directory that came back, which is then listed in turn.
    assert graph.to_scan() == [juicefs.inode("d")]
    log.close()
