"""The contents of the graph as plain values, independent of the database."""

from dataclasses import dataclass, field
from enum import StrEnum

ROOT = 1
"""Inode of the volume's root directory."""


class State(StrEnum):
    """Progress of a file towards its tags."""

    WAITING = "waiting"
    TAGGED = "tagged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Tag:
    """One label of one file: its relevance (0 to 1), and the tagger that found it with its version."""

    label: str
    weight: float
    by: str
    version: int = 1


# --- what the index writes


@dataclass(frozen=True, slots=True)
class Entry:
    """The file or directory that a name refers to."""

    inode: int
    directory: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A change of a file's content: its version in the log, and its time in seconds since 1970."""

    version: int
    at: float


@dataclass(slots=True)
class Changes:
    """The net effect of some entries of the change log."""

    entries: dict[tuple[int, str], Entry | None] = field(default_factory=dict)
    """By directory and stored name; None: the name was removed."""
    written: dict[int, Written] = field(default_factory=dict)
    """Files whose content changed: the last change of each."""
    unlinked: set[int] = field(default_factory=set)
    """Inodes that lost a name. A file without names is removed from the graph."""
    removed: set[int] = field(default_factory=set)
    """Directories that were moved with all their contents to the trash, or to an excluded directory."""
    scan: set[int] = field(default_factory=set)
    """Directories that must be read, because the log does not contain their entries."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file or directory found by a walk."""

    name: str
    """In the form that `names.stored` returns."""
    entry: Entry
    size: int = 0
    mtime_ns: int = 0


# --- what the taggers take and give


@dataclass(frozen=True, slots=True)
class Work:
    """A file that waits for its tags."""

    inode: int
    version: int
    path: str
    """Relative to the mount point, without a leading slash, in the form that `os` functions take."""
    tries: int = 0
    wanted_at: float = 0.0
    """When the change was noticed, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Tags for one version of a file, and the facts that were read at the same time."""

    inode: int
    version: int
    by: str
    """The tagger; `by_version` is its version. With a newer version, the file is tagged again."""
    by_version: int
    kind: str
    """Media type by content, such as text/plain."""
    size: int
    mtime_ns: int
    tags: tuple[Tag, ...]
    facts: dict[str, str] = field(default_factory=dict)
    """Other facts that the tagger found, such as pages or width."""
    note: str | None = None
    """Explanation for the user if the tags are incomplete."""
    settled: bool = True
    """False: the file was written while it was being read. The tags are used, but the file is read again."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An attempt that gave no tags."""

    inode: int
    version: int
    by: str
    by_version: int
    reason: str
    again_at: float | None
    """Time of the next attempt, in seconds since 1970. None: it has failed until the file or the tagger changes."""
    counts: bool = True
    """Whether it counts as an attempt. False: the file was not the cause."""
    size: int | None = None
    mtime_ns: int | None = None
    """Size and time of the file that was tried, if known. While they are unchanged, a walk does not queue it again."""


# --- what readers get


@dataclass(frozen=True, slots=True)
class Search:
    """A search. A file must meet all conditions; an empty search finds all files, newest first."""

    words: tuple[str, ...] = ()
    """Each is the beginning of a word in the name or in a label."""
    tags: tuple[str, ...] = ()
    """Labels that the file must have."""
    within: int | None = None
    """Inode of a directory that must contain the file, at any depth."""
    state: State | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A file in the graph. `tags` are sorted by descending weight."""

    inode: int
    path: str
    """Relative to the mount point, in the form that `os` functions take; `names.shown` converts it for JSON."""
    state: State
    kind: str | None
    size: int | None
    mtime_ns: int | None
    tags: tuple[Tag, ...]
    tries: int = 0
    reason: str | None = None
    tagger: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    """All paths of a file with hard links; only `file()` fills it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A file or directory with one of its names, for an index outside the graph."""

    inode: int
    parent: int
    """Inode of the directory that contains it; the root is its own parent."""
    path: str
    """Relative to the mount point, in the form that `os` functions take; "" is the root."""
    directory: bool
    size: int | None = None
    """Size when it was tagged; None before that."""
    mtime_ns: int | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    files: tuple[File, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a drawing. `id` is "f" or "d" followed by an inode, or "l" followed by a label."""

    id: str
    kind: str
    """file, directory or label."""
    title: str


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of a drawing: has, tag, or near (files with common tags; a higher weight is nearer)."""

    source: str
    target: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A node and its neighbours. `more` is the number of neighbours that were left out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A label that starts with the typed text, and the number of files that have it."""

    label: str
    files: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of nodes and tags in the graph."""

    files: int
    directories: int
    labels: int
    tags: int
    by_state: dict[State, int]
    top_labels: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a file. `kind` is found, changed, tagged, failed or removed."""

    id: str
    kind: str
    inode: int
    at: float
