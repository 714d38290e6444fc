"""Reduces entries of the change log to their net effect on the graph."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence

from disgrafs import names
from disgrafs.events.log import LogEntry
from disgrafs.graph.model import Changes, Entry, Written

TRASH = 0x7FFFFFFF10000000
"""JuiceFS's trash and its contents have inodes from here on; its hidden files have even higher ones."""
HIDDEN = 0x7FFFFFFF00000000
"""From here on, no inode belongs to a user's file."""

REGULAR, DIRECTORY = "1", "2"
MTIME_SET, MTIME_NOW = 0x20, 0x100
EXCHANGE = 2

log = logging.getLogger(__name__)

# These operations change neither names nor content.
_IRRELEVANT = frozenset(
    (
        *("ACCESS", "CLEANSESSION", "COMPACT", "DELCHUNK", "DELETESLICE", "DELSESSION", "DELSLICE", "DELSUSTAINED"),
        *("DIRSTAT", "FLOCK", "INCR_COUNTER", "NEWSESSION", "PLOCK", "REFRESHSESSION", "REMOVEXATTR", "SET", "SETFACL"),
        *("SETQUOTA", "SETXATTR"),
    )
)

Kinds = Callable[[Iterable[int]], dict[int, bool]]


def fold(batch: Sequence[LogEntry], kinds: Kinds, excluded: Collection[bytes] = ()) -> Changes:
    """The net effect of a batch. `kinds` says which inodes the graph knows, and whether they are directories.

    A directory whose name is in `excluded` is left out, and so is everything in a directory that the graph does not
    know: it is in an excluded directory, or a scan is about to find it.
    """
    folding = _Folding(batch, kinds, excluded)
    for entry in batch:
        take = _OPERATIONS.get(entry.operation)
        if take:
            take(folding, entry)
        elif entry.operation not in _IRRELEVANT:
            log.warning("unknown operation of JuiceFS: %s at %d", entry.operation, entry.version)
    return folding.changes


class _Folding:
    def __init__(self, batch: Sequence[LogEntry], kinds: Kinds, excluded: Collection[bytes]) -> None:
        self.changes = Changes()
        self.excluded = excluded
        created = {int(entry.result) for entry in batch if entry.operation == "CREATE"}
        self.directory: dict[int, bool] = kinds({inode for entry in batch for inode in _inodes(entry)} - created)
        """Maps each known inode to whether it is a directory."""

    def _inside(self, parent: int) -> bool:
        """Whether the graph has the entries of this directory."""
        return self.directory.get(parent) is True

    def _arrive(self, parent: int, name: bytes, inode: int) -> None:
        """A known or unknown node has this name now."""
        directory = self.directory.get(inode)
        if self._inside(parent) and not (directory and name in self.excluded):
            self._put(parent, name, inode)
        elif directory:
            self.changes.removed.add(inode)
            del self.directory[inode]

    def _leave(self, parent: int, name: bytes, inode: int) -> None:
        """A node no longer has this name."""
        if self._inside(parent):
            self._drop(parent, name, inode)

    def _put(self, parent: int, name: bytes, inode: int, *, scan_unknown: bool = True) -> None:
        directory = self.directory.get(inode)
        key = (parent, names.stored(name))
        if directory is not None:
            self.changes.entries[key] = Entry(inode, directory)
            self.changes.unlinked.discard(inode)
        else:
            # A symbolic link or the like, or a file that a pending scan has not found yet.
            self.changes.entries[key] = None
            if scan_unknown:
                self.changes.scan.add(parent)

    def _drop(self, parent: int, name: bytes, inode: int) -> None:
        self.changes.entries[parent, names.stored(name)] = None
        self.changes.unlinked.add(inode)

    def _write(self, inode: int, entry: LogEntry) -> None:
        if self.directory.get(inode) is False:
            self.changes.written[inode] = Written(entry.version, entry.at)

    # --- one method per operation

    def create(self, entry: LogEntry) -> None:
        parent, inode, kind = entry.number(0), int(entry.result), entry.arguments[4]
        if inode >= HIDDEN or not self._inside(parent) or (kind == DIRECTORY and entry.name(1) in self.excluded):
            return
        if kind in {REGULAR, DIRECTORY}:
            self.directory[inode] = kind == DIRECTORY
        self._put(parent, entry.name(1), inode, scan_unknown=False)
        if kind == REGULAR:
            self._write(inode, entry)

    def write(self, entry: LogEntry) -> None:
        self._write(entry.number(0), entry)

    def setattr(self, entry: LogEntry) -> None:
        if entry.number(1) & (MTIME_SET | MTIME_NOW):
            self._write(entry.number(0), entry)

    def copyfilerange(self, entry: LogEntry) -> None:
        self._write(entry.number(2), entry)

    def unlink(self, entry: LogEntry) -> None:
        self._leave(entry.number(0), entry.name(1), int(entry.result))

    def unlinkbatch(self, entry: LogEntry) -> None:
        for index, inode in enumerate(entry.result.split(",")):
            self._leave(entry.number(0), entry.name(1 + index), int(inode))

    def link(self, entry: LogEntry) -> None:
        self._arrive(entry.number(1), entry.name(2), entry.number(0))

    def move(self, entry: LogEntry) -> None:
        source, target = entry.number(0), entry.number(2)
        flags, replaced, inode = entry.number(4), entry.number(5), int(entry.result)
        if source >= HIDDEN:
            # A restore from the trash. The log contains neither its kind nor its contents.
            if self._inside(target):
                self.changes.scan.add(target)
            return
        self._leave(source, entry.name(1), inode)
        if replaced:
            self._leave(target, entry.name(3), replaced)
        self._arrive(target, entry.name(3), inode)
        if flags & EXCHANGE and replaced:
            self._arrive(source, entry.name(1), replaced)

    def clone(self, entry: LogEntry) -> None:
        # No entry has the contents of a cloned directory, and it is visible before it is complete: ATTACH ends it.
        source, parent, inode = entry.number(0), entry.number(1), entry.number(3)
        directory = self.directory.get(source)
        if not self._inside(parent):
            return
        if directory is None:
            self.changes.scan.add(parent)
        elif not directory:
            self.directory[inode] = False
            self._put(parent, entry.name(2), inode)
            self._write(inode, entry)

    def attach(self, entry: LogEntry) -> None:
        inode, parent = entry.number(0), entry.number(1)
        if self._inside(parent) and entry.name(2) not in self.excluded:
            self.directory[inode] = True
            self._put(parent, entry.name(2), inode)
            self.changes.scan.add(inode)


_OPERATIONS: dict[str, Callable[[_Folding, LogEntry], None]] = {
    "ATTACH": _Folding.attach,
    "CLONE": _Folding.clone,
    "COPYFILERANGE": _Folding.copyfilerange,
    "CREATE": _Folding.create,
    "FALLOCATE": _Folding.write,
    "LINK": _Folding.link,
    "MOVE": _Folding.move,
    "RMDIR": _Folding.unlink,
    "SETATTR": _Folding.setattr,
    "TRUNCATE": _Folding.write,
    "UNLINK": _Folding.unlink,
    "UNLINKBATCH": _Folding.unlinkbatch,
    "WRITE": _Folding.write,
}


def _inodes(entry: LogEntry) -> set[int]:
    """The inodes in an entry: its directories, and the nodes that it writes, names or clones."""
    match entry.operation:
        case "MOVE":
            return {entry.number(0), entry.number(2), entry.number(5), int(entry.result)}
        case "ATTACH" | "CLONE" | "LINK":
            return {entry.number(0), entry.number(1)}
        case "COPYFILERANGE":
            return {entry.number(2)}
        case operation:
            return {entry.number(0)} if operation in _OPERATIONS else set()
