"""The graph in FalkorDB, a Redis module. Values are passed to queries only as parameters.

It uses no unique constraints, because FalkorDB 4.16 crashes in them on long strings. They are not needed: one process
creates files and directories, and one creates labels.
"""

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from falkordb import FalkorDB
from falkordb.helpers import stringify_param_value

from disgrafs import text
from disgrafs.graph import cypher
from disgrafs.graph.interface import GraphUnavailableError
from disgrafs.graph.model import ROOT, Event

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAPH = "files"
EVENTS = "events"
EVENTS_KEPT = 10_000
READ_TIMEOUT_MS = 5_000

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?")

# Indexes: label, property.
_INDEXES = (
    ("File", "ino"),
    ("Dir", "ino"),
    ("Label", "name"),
    ("File", "state"),
    ("File", "tagger"),
    ("Dir", "scan"),
    ("Cursor", "key"),
)


class FalkorGraph(cypher.CypherGraph):
    """The graph in a FalkorDB."""

    indegree = "indegree({node}, 'tag')"
    full_text = "CALL db.idx.fulltext.queryNodes('File', $words) YIELD node AS f, score"

    def __init__(self, host: str, port: int, password: str | None = None) -> None:
        # No retries here: only the caller knows whether one is safe.
        pool = redis.ConnectionPool(
            host=host, port=port, password=password, decode_responses=True, socket_timeout=60, socket_connect_timeout=5
        )
        self._redis: Any = redis.Redis(connection_pool=pool)
        self._options = {"host": host, "port": port, "password": password}
        self._graph: Any = None

    def close(self) -> None:
        self._redis.close()
        if self._graph is not None:
            self._graph.client.connection.close()

    def ping(self) -> None:
        with _unavailable():
            self._redis.ping()

    # --- how queries are run

    def read(self, query: str, **parameters: object) -> list[list[Any]]:
        with _unavailable():
            if self._graph is None:
                self._graph = FalkorDB(**self._options, socket_timeout=60, socket_connect_timeout=5).select_graph(GRAPH)
            rows: list[list[Any]] = self._graph.ro_query(query, parameters, timeout=READ_TIMEOUT_MS).result_set
            return rows

    def write(
        self, *statements: cypher.Statement, events: Sequence[tuple[str, int]] = (), at: float = 0.0
    ) -> list[int]:
        with _unavailable():
            pipeline = self._redis.pipeline(transaction=True)
            for query, parameters in statements:
                header = " ".join(f"{name}={stringify_param_value(value)}" for name, value in parameters.items())
                pipeline.execute_command("GRAPH.QUERY", GRAPH, f"CYPHER {header} {query}" if header else query)
            for kind, inode in events:
                entry: dict[Any, Any] = {"kind": kind, "inode": inode, "at": at or time.time()}
                pipeline.xadd(EVENTS, entry, maxlen=EVENTS_KEPT, approximate=True)
            replies = pipeline.execute()
            return [_count(reply) for reply in replies[: len(statements)]]

    # --- specific to FalkorDB

    def prepare(self) -> None:
        with _unavailable():
            self._redis.execute_command("GRAPH.QUERY", GRAPH, f"MERGE (:Dir {{ino: {ROOT}}})")
        have = {
            (label, name) for label, names_ in self.read("CALL db.indexes() YIELD label, properties") for name in names_
        }
        for label, name in _INDEXES:
            if (label, name) not in have:
                self.write((f"CREATE INDEX FOR (n:{label}) ON (n.{name})", {}))
        if ("has", "key") not in have:
            self.write(("CREATE INDEX FOR ()-[h:has]-() ON (h.key)", {}))
        if ("File", "search") not in have:
            # Every word counts as it is written: no stemming and no stop words.
            make = (
                "CALL db.idx.fulltext.createNodeIndex({label: 'File', stopwords: []}, {field: 'search', nostem: true})"
            )
            self.write((make, {}))

    @staticmethod
    def words_query(words: Iterable[str]) -> str:
        # text.words keeps only letters and digits. A prefix query needs at least two characters.
        parts = [word for typed in words for word in text.words(typed)]
        return " ".join(f"{word}*" if len(word) > 1 else word for word in parts)

    def last_event(self) -> str:
        with _unavailable():
            newest: Any = self._redis.xrevrange(EVENTS, count=1)
            return str(newest[0][0]) if newest else "0"

    def events(self, after: str, limit: int = 100, wait: float = 0.0) -> list[Event]:
        if not _EVENT_ID.fullmatch(after):
            raise ValueError(f"{after!r} is not the id of an event, such as 1700000000000-0")
        with _unavailable():
            block = {"block": max(1, round(wait * 1000))} if wait > 0 else {}
            reply: Any = self._redis.xread({EVENTS: after}, count=limit, **block)
        # RESP3 returns a mapping of streams, RESP2 a list of pairs.
        streams = list(reply.values() if isinstance(reply, dict) else (rows for _, rows in reply or []))
        rows = [row for part in streams for row in (part[0] if part and isinstance(part[0], list) else part)]
        return [Event(str(key), row["kind"], int(row["inode"]), float(row["at"])) for key, row in rows]


def _count(reply: Any) -> int:
    """The single number that a statement returns, or 0."""
    rows = reply[1] if isinstance(reply, list) and len(reply) == 3 else []
    return int(rows[0][0]) if rows and rows[0] and rows[0][0] is not None else 0


@contextmanager
def _unavailable() -> "Iterator[None]":
    """Turns temporary errors into GraphUnavailableError; errors of a query are passed on."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError) as error:
        raise GraphUnavailableError(str(error)) from error
    except redis.ResponseError as error:
        if "empty key" in str(error) or "LOADING" in str(error):
            raise GraphUnavailableError("the graph has not been created yet") from error
        raise
