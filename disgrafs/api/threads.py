"""Thread pools: one for the graph and one for the volume, so that a hanging volume does not stop a search."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

Answer = TypeVar("Answer")


class Threads:
    """A pool that answers questions of one kind."""

    def __init__(self, most: int) -> None:
        self._limiter: anyio.CapacityLimiter | None = None
        self._most = most

    async def run(self, function: Callable[..., Answer], *args: object) -> Answer:
        """Runs a function in a thread."""
        # Made here, because a limiter belongs to the loop that runs.
        self._limiter = self._limiter or anyio.CapacityLimiter(self._most)
        return await anyio.to_thread.run_sync(partial(function, *args), limiter=self._limiter)
