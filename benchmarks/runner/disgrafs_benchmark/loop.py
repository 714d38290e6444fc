"""Timed loops in Python, for operations that take long enough: round trips and programs. Others are in loops.py."""

import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .histogram import histogram

Item = TypeVar("Item")


class StoppedError(Exception):
    """The run was told to stop in the middle of a loop."""


Stop = Callable[[], bool]


def never() -> bool:
    """Never stop."""
    return False


# A loop that has not done its least work after this many times its seconds ends without it.
MOST_TIMES = 20


def timed(
    items: Iterable[Item], operation: Callable[[Item], object], seconds: float, stop: Stop = never, least: int = 1
) -> dict[str, Any]:
    """Do `operation` on one item after the other until the time is up and the least is done, or the items run out.

    Gives operations, seconds from first to last, and a histogram of nanoseconds. Errors of the operation pass through.
    """
    durations = array("Q")
    clock = time.perf_counter_ns
    begin = now = clock()
    end = begin + int(seconds * 1e9)
    last = begin + int(MOST_TIMES * seconds * 1e9)
    for item in items:
        start = now
        operation(item)
        now = clock()
        durations.append(now - start)
        if (now >= end and (len(durations) >= least or now >= last)) or stop():
            break
    if stop():
        raise StoppedError
    return {"operations": len(durations), "seconds": (now - begin) / 1e9, "histogram": histogram(durations)}
