"""The interface of the graph for the rest of DisGraFS. FalkorDB and Neo4j implement it; only they contain queries.

Schema: (:Dir)-[:has {name, key}]->(:File|:Dir), (:File)-[:tag {weight, by, version}]->(:Label). Files and directories
are identified by inode, so a rename moves one edge, and equal names or hard links need no special handling. `key` finds
a name in its directory quickly, however large the directory is.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from disgrafs.graph.model import (
    Changes,
    Counts,
    Entry,
    Event,
    File,
    Found,
    Listed,
    Missed,
    Neighbourhood,
    Placed,
    Search,
    State,
    Suggestion,
    Tagged,
    Work,
)


class GraphUnavailableError(Exception):
    """The store does not answer: it is starting or down. Try again later."""


class Reader(Protocol):
    """Read access for the API and the command line; thread-safe."""

    def search(self, search: Search) -> Found:
        """Files that match all conditions."""
        ...

    def suggest(self, prefix: str, limit: int = 10) -> list[Suggestion]:
        """Labels with a prefix, the most used first."""
        ...

    def file(self, inode: int) -> File | None:
        """Everything known about a file, or None."""
        ...

    def neighbours(self, node: str, limit: int = 30) -> Neighbourhood | None:
        """Neighbours of a node in the drawing ("f12", "d12", "lred"): folder, tags, nearest files; or None."""
        ...

    def path(self, inode: int) -> str | None:
        """Current path of a file or directory below the mount point, for `os`. "" is the root; None if it has none."""
        ...

    def inode(self, path: str) -> Entry | None:
        """The file or directory that a path below the mount point currently refers to."""
        ...

    def placed(self) -> Iterator[Placed]:
        """All directories, then all files, one entry per name. Slow, and not a consistent snapshot."""
        ...

    def counts(self, top: int = 20) -> Counts:
        """Number of files by state, and the most used labels."""
        ...

    def last_event(self) -> str:
        """The id of the newest event; "0" before the first one."""
        ...

    def events(self, after: str, limit: int = 100, wait: float = 0.0) -> list[Event]:
        """Events after an id, oldest first; waits up to `wait` seconds for one. Only about ten thousand are kept."""
        ...

    def ping(self) -> None:
        """Raises GraphUnavailableError if the store does not answer."""
        ...


class Index(Protocol):
    """Write access for the one process that follows the volume."""

    def prepare(self) -> None:
        """Creates indexes and the root; can be repeated."""
        ...

    def cursor(self) -> int | None:
        """The log's version up to which the graph is complete. None: a walk is needed."""
        ...

    def cursor_digest(self) -> str:
        """The digest of the log's entry at the cursor; "" if it is not known."""
        ...

    def excluded(self) -> str | None:
        """What set_excluded stored; None before the first walk."""
        ...

    def set_excluded(self, excluded: str) -> None:
        """Stores which directories the last walk left out. With others, a walk is needed."""
        ...

    def kinds(self, inodes: Iterable[int]) -> dict[int, bool]:
        """Maps each inode that the graph knows to whether it is a directory."""
        ...

    def apply(self, changes: Changes, cursor: int, now: float, digest: str = "") -> None:
        """Applies changes, and sets the cursor and the digest of the log's entry there, in one transaction."""
        ...

    def list_directory(self, inode: int, listed: Sequence[Listed], generation: int, now: float) -> None:
        """Marks the entries of a directory that a walk has seen, and creates new ones. Can be called in pieces."""
        ...

    def listed_directory(self, inode: int, generation: int) -> None:
        """Ends the listing of a directory: removes names without this generation."""
        ...

    def sweep(self) -> int:
        """Removes nodes that no path leads to; returns their number."""
        ...

    def set_cursor(self, cursor: int | None, digest: str = "") -> None:
        """Sets the cursor after a walk. None: a walk is needed."""
        ...

    def to_scan(self) -> list[int]:
        """Directories that are flagged to be read (see Changes.scan)."""
        ...

    def scan_later(self, inode: int) -> None:
        """Flags a directory to be read."""
        ...

    def scanned(self, inode: int) -> None:
        """Clears the flag of a directory, and removes the directory if no path leads to it."""
        ...


class Queue(Protocol):
    """For the one process that dispatches files to taggers. The queue is in the graph, so no crash loses a file."""

    def due(self, now: float, limit: int, busy: Iterable[int] = ()) -> list[Work]:
        """Waiting files that may be tagged now, new ones first.

        A file without a path is postponed: it may be too deep.
        """
        ...

    def commit(self, tagged: Sequence[Tagged], now: float) -> int:
        """Stores tags. A file that has changed since keeps waiting. Returns the number of files now up to date."""
        ...

    def missed(self, missed: Sequence[Missed]) -> None:
        """Stores attempts that gave no tags."""
        ...

    def outdated(self, by: str, version: int, limit: int, now: float) -> int:
        """Queues files again that an older version of a tagger has processed; returns their number."""
        ...

    def waiting(self) -> dict[State, int]:
        """Number of files by state."""
        ...


class Graph(Reader, Index, Queue, Protocol):
    """All interfaces together."""

    def close(self) -> None:
        """Closes the connections."""
        ...
