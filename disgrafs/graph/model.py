"""The contents of the graph as plain values, independent of the database."""

from dataclasses import dataclass, field
from enum import StrEnum

ROOT = 1
"""Inode of the volume's root directory."""


class State(StrEnum):
    """Where a file is on its way to its tags."""

    WAITING = "waiting"
    TAGGED = "tagged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Tag:
    """One label of one file: how much it says of the file (0 to 1), and which version of which tagger says so."""

    label: str
    weight: float
    by: str
    version: int = 1


# --- what the index writes


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name in a directory stands for."""

    inode: int
    directory: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A change of a file's content: the log's version of it, and when it was, in seconds since 1970."""

    version: int
    at: float


@dataclass(slots=True)
class Changes:
    """The net effect of some entries of the change log."""

    entries: dict[tuple[int, str], Entry | None] = field(default_factory=dict)
    """By directory and stored name; None: the name is gone."""
    written: dict[int, Written] = field(default_factory=dict)
    """Files whose content changed: the last change of each."""
    unlinked: set[int] = field(default_factory=set)
    """Inodes that lost a name: with the last one the node goes."""
    trashed: set[int] = field(default_factory=set)
    """Directories that left the volume with all that is in them."""
    scan: set[int] = field(default_factory=set)
    """Directories that have to be read, because the log does not say what is in them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file or directory as a walk finds it."""

    name: str
    """As `names.stored` gives it."""
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
    """Below the mount point, without a slash in front; as `os` takes it."""
    tries: int = 0
    wanted_at: float = 0.0
    """When the change was noticed, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Tags for one version of a file, and the facts that were read with them."""

    inode: int
    version: int
    by: str
    """The tagger, and its version: a newer one has the file tagged again."""
    by_version: int
    kind: str
    """Media type by content, as text/plain."""
    size: int
    mtime_ns: int
    tags: tuple[Tag, ...]
    facts: dict[str, str] = field(default_factory=dict)
    """What a tagger found out besides, as pages or width."""
    note: str | None = None
    """Why the tags are fewer than they could be, for people."""
    settled: bool = True
    """False: it was written while it was read. The tags are better than none, and it is to be read again."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A try that gave no tags."""

    inode: int
    version: int
    by: str
    by_version: int
    reason: str
    again_at: float | None
    """None: it has failed for good, until the file changes or a new tagger comes."""
    counts: bool = True
    """False: it was not the file's fault."""
    size: int | None = None
    mtime_ns: int | None = None
    """Of what was tried, as far as it is known: while they are the same, a walk does not have it tried again."""


# --- what readers get


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for. All conditions hold at once; an empty search finds all files, newest first."""

    words: tuple[str, ...] = ()
    """Each is the start of a word of the name or of a label."""
    tags: tuple[str, ...] = ()
    """Labels that the file must have."""
    within: int | None = None
    """Inode of a directory that it must be below."""
    state: State | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A file as the graph knows it. `tags` are sorted by weight."""

    inode: int
    path: str
    """Below the mount point, as `os` takes it; `names.shown` makes it fit for JSON."""
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
    """All names, of a file with hard links; only `file()` fills it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A file or directory with one of its names, as an index outside of the graph takes it."""

    inode: int
    parent: int
    """Inode of the directory; the root's own is its parent."""
    path: str
    """Below the mount point, as `os` takes it; "" is the root."""
    directory: bool
    size: int | None = None
    """Of when it was tagged; None before that."""
    mtime_ns: int | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    files: tuple[File, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a drawing. `id` is "f12", "d12" or "l" and a label."""

    id: str
    kind: str
    """file, directory or label."""
    title: str


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of a drawing: has, tag, or near (files with common tags; the weight says how near)."""

    source: str
    target: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A node and what is next to it. `more` is how many neighbours were left out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A label that starts with what was typed, and how many files have it."""

    label: str
    files: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is."""

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
