"""JuiceFS's metadata change log, a list in the volume's Redis. Each change writes its entry in the same transaction.

`txnLog` is the list and `txnLastLog` the version of its newest entry. An entry is, as JuiceFS 1.4.2 writes it,

    1795975198.124|MOVE(2,a,2,b,1,0,9223372032828243969):3|(1,20)

time in seconds, operation with arguments, result, session and number. Names are percent-encoded. The format is internal
to JuiceFS: tests/test_contract.py fails when it changes.
"""

import hashlib
import re
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ENTRY = re.compile(rb"^(\d+)\.(\d+)\|([A-Z_]+)\(([^()]*)\)(?::([^|]*))?\|\(\d+,\d+\)$")

# The entry of a version and those after it, unless some of these are gone. One script, so that nothing can be trimmed
# between two commands.
_READ = """
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local oldest = last - redis.call('LLEN', KEYS[1]) + 1
local after, count = tonumber(ARGV[1]), tonumber(ARGV[2])
if after > last or after + 1 < oldest then return {last, oldest} end
local from = after + 1 - oldest
local at = from > 0 and redis.call('LINDEX', KEYS[1], from - 1) or ''
return {last, oldest, at, redis.call('LRANGE', KEYS[1], from, from + count - 1)}
"""
_NEWEST = "return {redis.call('GET', KEYS[2]) or '0', redis.call('LINDEX', KEYS[1], -1) or ''}"
_KEYS = ("txnLog", "txnLastLog")


class LogGapError(Exception):
    """Some changes are no longer in the log, or the metadata is older than what was read before."""


class LogUnavailableError(Exception):
    """The volume's Redis does not answer."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. Names among the arguments are decoded to bytes by `name`."""

    version: int
    at: float
    operation: str
    arguments: tuple[str, ...]
    result: str
    digest: str = ""
    """Tells it from another entry of the same version."""

    def number(self, index: int) -> int:
        """An argument that is a number."""
        return int(self.arguments[index])

    def name(self, index: int) -> bytes:
        """An argument that is a name."""
        return urllib.parse.unquote_to_bytes(self.arguments[index])


def parse(version: int, raw: bytes) -> LogEntry:
    """Parses an entry. Raises ValueError for an invalid one."""
    match = ENTRY.match(raw)
    if not match:
        raise ValueError(f"the change log's entry {version} is not as JuiceFS 1.4 writes it: {raw[:200]!r}")
    seconds, fraction, operation, arguments, result = match.groups()
    return LogEntry(
        version,
        float(seconds + b"." + fraction),
        operation.decode(),
        tuple(arguments.decode("ascii").split(",")) if arguments else (),
        (result or b"").decode("ascii"),
        _digest(raw),
    )


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=8).hexdigest() if raw else ""


class VolumeLog:
    """The log of one volume. Waits without polling: Redis notifies when the log has grown."""

    def __init__(self, host: str, port: int, database: int = 0, password: str | None = None) -> None:
        self._options: dict[str, Any] = {
            "host": host,
            "port": port,
            "db": database,
            "password": password,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            # Redis sends invalidations to a second connection by a plain subscription.
            "protocol": 2,
            # If one connection breaks, both are replaced, and tracking is set up again.
            "retry": Retry(NoBackoff(), 0),
        }
        self._client: Any = None
        self._told: Any = None
        self._listening: Any = None
        """Owns the connection of `_told`, which redis-py closes together with its owner."""

    def last(self) -> int:
        """The version of the newest entry."""
        return int(self._run(lambda client: client.get(_KEYS[1])) or 0)

    def newest(self) -> tuple[int, str]:
        """The version and the digest of the newest entry."""
        version, raw = self._run(lambda client: client.eval(_NEWEST, 2, *_KEYS))
        return int(version), _digest(raw)

    def read(self, after: int, count: int, digest: str = "") -> list[LogEntry]:
        """Up to `count` entries after a version. Raises LogGapError if some are missing.

        Also raises it if the entry of that version has another digest: a Redis that lost its newest changes gives their
        versions to other changes.
        """
        reply = self._run(lambda client: client.eval(_READ, 2, *_KEYS, after, count))
        if len(reply) == 2:
            last, oldest = reply
            raise LogGapError(f"read up to {after}, but the log has {oldest} to {last}")
        _, _, at, following = reply
        if digest and at and _digest(at) != digest:
            raise LogGapError(f"read up to {after}, but that is another change now")
        return [parse(after + 1 + index, raw) for index, raw in enumerate(following)]

    def wait(self, after: int, seconds: float) -> None:
        """Returns when there are entries after a version, or after a timeout."""
        deadline = time.monotonic() + seconds
        # Redis tracks each read of the key, and reports the next change once. A report may be older than the last read.
        while self.last() == after and (left := deadline - time.monotonic()) > 0:
            self._run(lambda _, left=left: self._told.get_message(timeout=left))

    def close(self) -> None:
        """Closes the connections."""
        for connection in (self._told, self._client, self._listening):
            if connection is not None:
                connection.close()
        self._client = self._told = self._listening = None

    def _run(self, ask: Any) -> Any:
        try:
            if self._client is None:
                self._connect()
            return ask(self._client)
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, OSError) as error:
            self.close()
            raise LogUnavailableError(str(error)) from error

    def _connect(self) -> None:
        self._listening = redis.Redis(**self._options)
        self._told = self._listening.pubsub()
        # The client id is requested before the subscription: afterwards the connection takes no other commands.
        listener = self._told.connection_pool.get_connection()
        listener.send_command("CLIENT", "ID")
        listener_id = int(listener.read_response())
        self._told.connection = listener
        self._told.subscribe("__redis__:invalidate")
        self._told.get_message(timeout=5)
        self._client = redis.Redis(**self._options, single_connection_client=True)
        self._client.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", str(listener_id))
