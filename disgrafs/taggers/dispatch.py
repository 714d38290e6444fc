"""Passes files from the queue in the graph to the taggers, and stores results. It has no state that must survive."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from prometheus_client import Counter, Gauge, Histogram

from disgrafs.graph import Graph, GraphUnavailableError
from disgrafs.graph.model import Missed, State, Work
from disgrafs.taggers.pool import Call, Pool
from disgrafs.taggers.read import Fault, Outcome
from disgrafs.taggers.table import OTHER, TABLE

MOST_FILES = 16
"""Files per call: enough to amortise the call, few enough to return soon."""
SOON = 0.05
"""Seconds between two polls while calls are running."""
CALM_AFTER = 6.0
"""After this many seconds without an event, only retries can become due."""
LOOK = 1.0
MAINTAIN = 5.0

TRIES = {Fault.UNREADABLE: 8, Fault.LIMIT: 3, Fault.CONTENT: 2}
LONGEST_PAUSE = 30.0
SLOW_PAUSE = 30.0
LONGEST_SLOW_PAUSE = 600.0
"""Seconds until a file is tried again whose read failed after a long time.

All tries together last half an hour: the store may come back.
"""

log = logging.getLogger(__name__)

_tagged = Counter("disgrafs_files_tagged_total", "Files that got tags", ["tagger"])
_missed = Counter("disgrafs_tagging_failures_total", "Failed tagging attempts", ["tagger", "fault"])
_labels = Counter("disgrafs_tags_total", "Tags that were stored", ["tagger"])
_files = Gauge("disgrafs_files", "Files in the graph, by state", ["state"])
_taggers = Gauge("disgrafs_taggers", "Taggers that are ready, on all nodes together")
_lag = Histogram(
    "disgrafs_searchable_seconds",
    "From a change of a file to its tags in the graph",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)


class Dispatcher:
    """Gets waiting files tagged."""

    def __init__(self, graph: Graph, pool: Pool, alive: Callable[[], None]) -> None:
        self._graph = graph
        self._pool = pool
        self._alive = alive
        self._away: dict[int, Work] = {}
        """Files that a tagger is processing."""
        self._alone: set[int] = set()
        """Files of a tagger that died: retried one at a time, to find the cause."""
        self._event: str | None = None
        self._busy_until = 0.0
        self._maintain_at = 0.0

    def step(self) -> None:
        """One round: stores results, passes on due files, or waits."""
        self._alive()
        try:
            self._step()
        except GraphUnavailableError as error:
            # Results from taggers return with the file's version, and are stored or repeated later.
            log.warning("waiting: %s", error)
            time.sleep(0.5)

    def _step(self) -> None:
        now = time.monotonic()
        if now >= self._maintain_at:
            self._pool.maintain()
            self._housekeeping()
            self._maintain_at = time.monotonic() + MAINTAIN
        back = self._pool.back(SOON if self._pool.busy() else 0.0)
        self._store(back)
        _taggers.set(self._pool.size())
        gave = self._give() if self._pool.idle() or (back and self._pool.room()) else 0
        if self._event is None:
            self._event = self._graph.last_event()
        if gave or self._pool.busy():
            return
        wait = SOON if time.monotonic() < self._busy_until else LOOK
        events = self._graph.events(self._event, 1000, wait)
        if events:
            self._event = events[-1].id
        if any(event.kind in {"found", "changed"} for event in events):
            self._busy_until = time.monotonic() + CALM_AFTER

    def _housekeeping(self) -> None:
        for state, count in self._graph.waiting().items():
            _files.labels(state).set(count)
            if state is State.WAITING and count < MOST_FILES:
                # Files of older tagger versions are queued again only when few files are waiting.
                for entry in (*TABLE, OTHER):
                    if self._graph.outdated(entry.name, entry.version, 200, time.time()):
                        break

    # --- out

    def _give(self) -> int:
        idle = self._pool.idle()
        due = self._graph.due(time.time(), (2 * idle + self._pool.room()) * MOST_FILES, self._away)
        alone = [work for work in due if work.inode in self._alone]
        others = [work for work in due if work.inode not in self._alone]
        for work in alone[:idle]:
            self._hand([work])
        idle = self._pool.idle()
        if idle:
            size = max(1, min(MOST_FILES, -(-len(others) // idle)))
            for start in range(0, min(len(others), size * idle), size):
                self._hand(others[start : start + size])
            others = others[size * idle :]
        # With a backlog, no tagger waits until its results are stored. A few files wait for the next idle one.
        while len(others) >= MOST_FILES and self._pool.room():
            self._hand(others[:MOST_FILES])
            others = others[MOST_FILES:]
        return len(due)

    def _hand(self, items: list[Work]) -> None:
        self._away.update({work.inode: work for work in items})
        self._pool.give(items)

    # --- back

    def _store(self, calls: list[Call]) -> None:
        outcomes: list[Outcome] = []
        for call in calls:
            outcomes += call.outcomes if call.outcomes is not None else self._lost(call)
        if outcomes:
            try:
                self._note(outcomes)
            finally:
                # Whether stored or not: the graph says which files are still waiting.
                for outcome in outcomes:
                    self._away.pop(outcome.work.inode, None)

    def _lost(self, call: Call) -> list[Outcome]:
        """Handles the files of a tagger that died: each is retried alone, or blamed if it was alone."""
        for work in call.items:
            self._away.pop(work.inode, None)
        log.warning("a tagger is gone with %d files: %s", len(call.items), call.reason)
        if call.blameless:
            return []
        if len(call.items) > 1:
            self._alone.update(work.inode for work in call.items)
            return []
        (work,) = call.items
        return [Outcome(work, OTHER.name, OTHER.version, fault=Fault.LIMIT, reason=call.reason)]

    def _note(self, outcomes: list[Outcome]) -> None:
        now = time.time()
        tagged = [outcome.tagged for outcome in outcomes if outcome.tagged]
        missed = [self._missed(outcome, now) for outcome in outcomes if outcome.fault]
        self._graph.commit(tagged, now)
        stored = time.time()
        self._graph.missed(missed)
        for outcome in outcomes:
            self._alone.discard(outcome.work.inode)
            if outcome.fault:
                _missed.labels(outcome.by, outcome.fault.value).inc()
                if outcome.fault is Fault.LIMIT:
                    self._alone.add(outcome.work.inode)
            elif outcome.tagged:
                _tagged.labels(outcome.by).inc()
                _labels.labels(outcome.by).inc(len(outcome.tagged.tags))
                _lag.observe(max(0.0, stored - outcome.work.wanted_at))

    @staticmethod
    def _missed(outcome: Outcome, now: float) -> Missed:
        work, fault = outcome.work, outcome.fault or Fault.MOVED
        # A moved file is the index's task: it is retried until the graph has updated or removed it.
        counts = fault is not Fault.MOVED
        final = counts and work.tries + 1 >= TRIES[fault]
        first, longest = (SLOW_PAUSE, LONGEST_SLOW_PAUSE) if outcome.slow else (0.5, LONGEST_PAUSE)
        pause = min(longest, first * 2**work.tries)
        again = None if final else now + pause
        missed = Missed(work.inode, work.version, outcome.by, outcome.by_version, outcome.reason, again, counts)
        read = outcome.read
        return replace(missed, size=read.st_size, mtime_ns=read.st_mtime_ns) if read else missed
