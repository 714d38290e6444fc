"""Times round trips to Redis, without a client library, because its cost would be included."""

import itertools
import socket
from pathlib import Path
from typing import Any

from .loop import Stop, never, timed

PASSWORD_FILE = Path("/etc/disgrafs/redis-password")
KEY = "disgrafs-benchmark"


def encode(*words: str) -> bytes:
    """Encode a command in the Redis protocol."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Connection:
    """One connection, with a parser that is sufficient for the commands used here."""

    def __init__(self, host: str, port: int, password: str | None, timeout: float = 30) -> None:
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        if password is not None:
            self.call(encode("AUTH", password))

    def call(self, request: bytes, replies: int = 1) -> list[bytes]:
        """Send a request and read its replies. RuntimeError if Redis replies with an error."""
        self.socket.sendall(request)
        return [self._reply() for _ in range(replies)]

    def _reply(self) -> bytes:
        line: bytes = self.lines.readline()
        if not line:
            raise RuntimeError("Redis closed the connection")
        if line.startswith(b"-"):
            raise RuntimeError(f"Redis: {line[1:].decode(errors='replace').strip()}")
        if line.startswith(b"$") and line != b"$-1\r\n":
            return bytes(self.lines.read(int(line[1:]) + 2))
        if line.startswith(b"*") and line != b"*-1\r\n":
            return b"".join(self._reply() for _ in range(int(line[1:])))
        return line

    def close(self) -> None:
        """Close the connection."""
        self.lines.close()
        self.socket.close()


def floor(host: str, port: int, parameters: dict[str, Any], stop: Stop = never, least: int = 1) -> dict[str, Any]:
    """Time GET, and MULTI, GET and EXEC in one write, each for `phaseSeconds`. The key need not exist."""
    password = PASSWORD_FILE.read_text().strip() if PASSWORD_FILE.exists() else None
    connection = Connection(host, port, password)
    get = encode("GET", KEY)
    multi = encode("MULTI") + get + encode("EXEC")
    seconds = parameters["phaseSeconds"]
    try:
        return {
            "get": timed(itertools.repeat(get), connection.call, seconds, stop, least),
            # Three replies: +OK for MULTI, +QUEUED for GET, and an array for EXEC.
            "multi": timed(itertools.repeat(multi), lambda request: connection.call(request, 3), seconds, stop, least),
        }
    finally:
        connection.close()
