"""The graph as a list for `schain build --list`."""

import os
import stat
from collections.abc import Iterable, Iterator

from disgrafs.graph.model import Placed

UNKNOWN = 2**64 - 1
"""Size or time of a file that has not been tagged: the graph does not know it."""


def records(placed: Iterable[Placed]) -> Iterator[bytes]:
    """One record per path. If a path appears twice, after a move between two queries, only the first counts."""
    seen: set[str] = set()
    for one in placed:
        if one.path in seen:
            continue
        seen.add(one.path)
        yield record(one)


def record(one: Placed) -> bytes:
    """INODE PARENT SIZE MTIME MODE PATH NUL, each label NUL, NUL. The graph knows no permissions: they are 0."""
    size = UNKNOWN if one.size is None else one.size
    seconds = UNKNOWN if one.mtime_ns is None else one.mtime_ns // 10**9
    if one.directory:
        size, seconds = 0, 0
    kind = stat.S_IFDIR if one.directory else stat.S_IFREG
    head = f"{one.inode} {one.parent} {size} {seconds} {kind} ".encode()
    words = [head + os.fsencode(one.path or "."), *(label.encode() for label in one.labels), b""]
    return b"".join(word + b"\0" for word in words)
