"""The stream of events for the page."""

import asyncio
import time

import pytest

from disgrafs.api import stream
from disgrafs.api.stream import Stream
from disgrafs.graph import Graph
from disgrafs.graph.model import Counts


def test_a_graph_that_counts_slowly_is_not_kept_busy_with_counting(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COUNTS_EVERY", 0.05)
    monkeypatch.setattr(stream, "EVERY", 0.01)
    count, begun = graph.counts, []

    def slowly(top: int = 20) -> Counts:
        begun.append(time.monotonic())
        time.sleep(0.2)
        return count(top)

    monkeypatch.setattr(graph, "counts", slowly)

    async def listen() -> None:
        async for _ in Stream(graph).listen():
            pass

    async def watch() -> None:
        listening = asyncio.create_task(listen())
        while len(begun) < 2:
            await asyncio.sleep(0.01)
        listening.cancel()

    asyncio.run(asyncio.wait_for(watch(), 60))
    assert begun[1] - begun[0] >= 2
