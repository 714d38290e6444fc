"""Streams changes of the volume to listeners: one reader of the graph's events serves all, without unbounded queues.

A slow listener gets one message for everything that it missed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from disgrafs.api.views import Json, counts_view
from disgrafs.graph import GraphUnavailableError, Reader

MOST_LISTENERS = 100
MOST_FILES = 500
"""Maximum number of files in a message; with more, the page reloads its results anyway."""
EVERY = 0.25
COUNTS_EVERY = 2.0
COUNTS_PAUSE = 10
"""Counting pauses for this many times as long as it took: with a million files it takes seconds."""
AFTER_ERROR = 1.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Listener:
    """Changes that were not yet sent to one listener."""

    files: dict[int, None] = field(default_factory=dict)
    gone: bool = False
    counts: Json | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> list[tuple[str, Json]]:
        """The messages that are due."""
        self.news.clear()
        messages: list[tuple[str, Json]] = []
        if self.files or self.gone:
            messages.append(("changed", {"files": list(self.files)[:MOST_FILES], "gone": self.gone}))
        if self.counts is not None:
            messages.append(("counts", self.counts))
        self.files, self.gone, self.counts = {}, False, None
        return messages


class Stream:
    """Reads events while there are listeners."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._counts: Json | None = None

    @property
    def full(self) -> bool:
        """Whether the number of listeners is at its limit."""
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(self) -> AsyncIterator[tuple[str, Json]]:
        """Messages as they arrive; the first one has the counts."""
        listener = Listener()
        self._listeners.add(listener)
        if self._counts is not None:
            listener.counts = self._counts
            listener.news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        try:
            while True:
                await listener.news.wait()
                for message in listener.take():
                    yield message
        finally:
            self._listeners.discard(listener)

    async def _follow(self) -> None:
        after: str | None = None
        next_counts = 0.0
        loop = asyncio.get_running_loop()
        while self._listeners:
            try:
                if after is None:
                    after = await asyncio.to_thread(self._reader.last_event)
                events = await asyncio.to_thread(self._reader.events, after, 1000)
                if events:
                    after = events[-1].id
                    self._tell({event.inode: None for event in events}, any(e.kind == "removed" for e in events))
                if (begin := loop.time()) >= next_counts:
                    await self._count()
                    next_counts = begin + max(COUNTS_EVERY, COUNTS_PAUSE * (loop.time() - begin))
            except GraphUnavailableError:
                # The graph may be down for a while; events from that time are sent when it is back.
                await asyncio.sleep(AFTER_ERROR)
            except Exception:
                # If this task ended, listeners would wait for ever: a query that timed out must not end it.
                log.exception("the graph's events cannot be read now")
                await asyncio.sleep(AFTER_ERROR)
            await asyncio.sleep(EVERY)
        self._counts = None

    def _tell(self, files: dict[int, None], gone: bool) -> None:
        for listener in self._listeners:
            if len(listener.files) < MOST_FILES:
                listener.files |= files
            listener.gone |= gone
            listener.news.set()

    async def _count(self) -> None:
        counts = counts_view(await asyncio.to_thread(self._reader.counts))
        if counts == self._counts:
            return
        self._counts = counts
        for listener in self._listeners:
            listener.counts = counts
            listener.news.set()
