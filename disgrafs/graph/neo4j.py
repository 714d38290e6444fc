"""The graph in Neo4j 5, for users who cannot accept FalkorDB's licence. Queries get values only as parameters.

With FalkorDB, events are a Redis stream; here they are nodes: (:Event {id, kind, inode, at}).
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from neo4j import READ_ACCESS, GraphDatabase, ManagedTransaction, NotificationMinimumSeverity, Query
from neo4j.exceptions import ClientError, ServiceUnavailable, SessionExpired, TransientError

from disgrafs import text
from disgrafs.graph import cypher
from disgrafs.graph.interface import GraphUnavailableError
from disgrafs.graph.model import ROOT, Event

USER = "neo4j"
DATABASE = "neo4j"
EVENTS_KEPT = 10_000
READ_TIMEOUT_SECONDS = 60.0
"""Longer than FalkorDB's: the first run of a query takes half a minute of Java's start-up on an emulated machine."""
RETRY_SECONDS = 5.0
"""A transaction that conflicts with another one is retried for this long: index and taggers write at the same time."""
POLL_SECONDS = 0.1

_LONGEST_WORD = 255
"""Lucene truncates longer words, and rejects queries for much longer ones. File names are not longer."""
_EVENT_ID = re.compile(r"\d{1,18}")

# A constraint is also an index, and makes a second writer wait; FalkorDB has to rely on there being only one.
_SCHEMA = (
    *(
        f"CREATE CONSTRAINT {label.lower()}_{name} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{name} IS UNIQUE"
        for label, name in (("File", "ino"), ("Dir", "ino"), ("Label", "name"), ("Cursor", "key"), ("Event", "id"))
    ),
    *(
        f"CREATE INDEX {label.lower()}_{name} IF NOT EXISTS FOR (n:{label}) ON (n.{name})"
        for label, name in (("File", "state"), ("File", "tagger"), ("Dir", "scan"))
    ),
    "CREATE INDEX has_key IF NOT EXISTS FOR ()-[h:has]-() ON (h.key)",
    # text.py has already split and folded the words: the index only has to split them at spaces.
    "CREATE FULLTEXT INDEX file_search IF NOT EXISTS FOR (f:File) ON EACH [f.search] "
    "OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace'}}",
    "CALL db.awaitIndexes(60)",
    f"MERGE (:Dir {{ino: {ROOT}}})",
)


class Neo4jGraph(cypher.CypherGraph):
    """The graph in a Neo4j."""

    indegree = "COUNT {{ ({node})<-[:tag]-() }}"
    full_text = "CALL db.index.fulltext.queryNodes('file_search', $words) YIELD node AS f, score"

    def __init__(self, host: str, port: int, password: str | None = None) -> None:
        # It connects at the first query.
        self._driver = GraphDatabase.driver(
            f"bolt://{host}:{port}",
            auth=(USER, password or ""),
            connection_timeout=5.0,
            connection_acquisition_timeout=60.0,
            max_transaction_retry_time=RETRY_SECONDS,
            # No advice about queries in the log, and no usage data for the vendor.
            notifications_min_severity=NotificationMinimumSeverity.OFF,
            telemetry_disabled=True,
        )

    def close(self) -> None:
        self._driver.close()

    def ping(self) -> None:
        self.read("RETURN 1")

    # --- how queries are run

    def read(self, query: str, **parameters: object) -> list[list[Any]]:
        with _unavailable(), self._driver.session(database=DATABASE, default_access_mode=READ_ACCESS) as session:
            result = session.run(Query(query, timeout=READ_TIMEOUT_SECONDS), parameters)
            return result.values()

    def write(
        self, *statements: cypher.Statement, events: Sequence[tuple[str, int]] = (), at: float = 0.0
    ) -> list[int]:
        with _unavailable(), self._driver.session(database=DATABASE) as session:
            return session.execute_write(_write, statements, events, at or time.time())

    # --- specific to Neo4j

    def prepare(self) -> None:
        with _unavailable(), self._driver.session(database=DATABASE) as session:
            for statement in _SCHEMA:
                session.run(statement).consume()

    @staticmethod
    def words_query(words: Iterable[str]) -> str:
        # text.words keeps only letters and digits. A prefix query needs at least two characters, as in FalkorDB.
        parts = [word[:_LONGEST_WORD] for typed in words for word in text.words(typed)]
        return " ".join(f"+{word}*" if len(word) > 1 else f"+{word}" for word in parts)

    def last_event(self) -> str:
        rows = self.read("MATCH (c:Cursor {key: 'events'}) RETURN c.value")
        return str(rows[0][0]) if rows else "0"

    def events(self, after: str, limit: int = 100, wait: float = 0.0) -> list[Event]:
        if not _EVENT_ID.fullmatch(after):
            raise ValueError(f"{after!r} is not the id of an event, such as 1700")
        deadline = time.monotonic() + wait
        while True:
            rows = self.read(
                "MATCH (e:Event) WHERE e.id > $after RETURN e.id, e.kind, e.inode, e.at ORDER BY e.id LIMIT $limit",
                after=int(after),
                limit=limit,
            )
            # The community edition has no change notifications.
            if rows or time.monotonic() >= deadline:
                return [Event(str(key), kind, int(inode), float(at)) for key, kind, inode, at in rows]
            time.sleep(POLL_SECONDS)


def _write(
    transaction: ManagedTransaction,
    statements: Sequence[cypher.Statement],
    events: Sequence[tuple[str, int]],
    at: float,
) -> list[int]:
    """Runs all statements; returns the single number that each gives, or 0."""
    counts = []
    for query, parameters in statements:
        values = transaction.run(query, parameters).values()
        counts.append(int(values[0][0] or 0) if values and values[0] else 0)
    if events:
        # The counter is locked until the transaction ends, so ids appear in the order in which others see them. It is
        # locked last, so its holder never waits for another lock.
        newest = transaction.run(
            "MERGE (c:Cursor {key: 'events'}) SET c.value = coalesce(c.value, 0) + size($events) "
            "WITH c.value - size($events) AS before, c.value AS newest "
            "UNWIND range(0, size($events) - 1) AS i "
            "CREATE (:Event {id: before + i + 1, kind: $events[i][0], inode: $events[i][1], at: $at}) "
            "RETURN DISTINCT newest",
            {"events": [list(event) for event in events], "at": at},
        ).values()[0][0]
        transaction.run("MATCH (e:Event) WHERE e.id <= $old DELETE e", {"old": newest - EVENTS_KEPT}).consume()
    return counts


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turns temporary errors into GraphUnavailableError; errors of a query are passed on."""
    try:
        yield
    except (ServiceUnavailable, SessionExpired, TransientError) as error:
        raise GraphUnavailableError(str(error)) from error
    except ClientError as error:
        if "no such fulltext schema index" in str(error):
            raise GraphUnavailableError("the graph has not been created yet") from error
        if "TransactionTimedOut" in (error.code or ""):
            raise GraphUnavailableError(f"no answer in {READ_TIMEOUT_SECONDS:.0f} s") from error
        raise
