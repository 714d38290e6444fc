"""Timed loops in Python, for operations that take long: round trips and programs. loops.py has the others."""

import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .histogram import histogram

Item = TypeVar("Item")


class StoppedError(Exception):
    """The run was told to stop."""


Stop = Callable[[], bool]


def never() -> bool:
    """Never stop."""
    return False


# A loop ends after this many times its seconds, even if it has not reached its minimum of operations.
MOST_TIMES = 20


def timed(
    items: Iterable[Item], operation: Callable[[Item], object], seconds: float, stop: Stop = never, least: int = 1
) -> dict[str, Any]:
    """Call `operation` for one item after the other, until `seconds` have passed and `least` calls are done.

    Also ends with the last item. Returns the number of operations, their total time in seconds, and a histogram in
    nanoseconds. Does not catch errors of the operation. StoppedError if `stop` returns True.
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
