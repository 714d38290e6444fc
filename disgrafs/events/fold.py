"""Reduces entries of the change log to their net effect on the graph."""

import logging
from collections.abc import Callable, Iterable, Sequence

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


def fold(batch: Sequence[LogEntry], kinds: Kinds) -> Changes:
    """The net effect of a batch. `kinds` says which inodes the graph knows, and whether they are directories."""
    folding = _Folding(batch, kinds)
    for entry in batch:
        take = _OPERATIONS.get(entry.operation)
        if take:
            take(folding, entry)
        elif entry.operation not in _IRRELEVANT:
            log.warning("unknown operation of JuiceFS: %s at %d", entry.operation, entry.version)
    return folding.changes


class _Folding:
    def __init__(self, batch: Sequence[LogEntry], kinds: Kinds) -> None:
        self.changes = Changes()
        moved = (entry for entry in batch if entry.operation in {"MOVE", "CLONE", "ATTACH", "LINK"})
        self.directory: dict[int, bool] = kinds({inode for entry in moved for inode in _inodes(entry)})
        """Maps each known inode to whether it is a directory."""

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
        self.changes.written[inode] = Written(entry.version, entry.at)

    # --- one method per operation

    def create(self, entry: LogEntry) -> None:
        parent, inode, kind = entry.number(0), int(entry.result), entry.arguments[4]
        if parent >= HIDDEN or inode >= HIDDEN:
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
        if entry.number(0) < HIDDEN:
            self._drop(entry.number(0), entry.name(1), int(entry.result))

    def unlinkbatch(self, entry: LogEntry) -> None:
        parent, inodes = entry.number(0), [int(inode) for inode in entry.result.split(",")]
        if parent < HIDDEN:
            for index, inode in enumerate(inodes):
                self._drop(parent, entry.name(1 + index), inode)

    def link(self, entry: LogEntry) -> None:
        self._put(entry.number(1), entry.name(2), entry.number(0))

    def move(self, entry: LogEntry) -> None:
        source, target = entry.number(0), entry.number(2)
        flags, replaced, inode = entry.number(4), entry.number(5), int(entry.result)
        if source >= HIDDEN:
            # A restore from the trash. The log contains neither its kind nor its contents.
            self.changes.scan.add(target)
            return
        if flags & EXCHANGE and replaced:
            self._put(source, entry.name(1), replaced)
            self._put(target, entry.name(3), inode)
            return
        self._drop(source, entry.name(1), inode)
        if replaced:
            self._drop(target, entry.name(3), replaced)
        if target >= HIDDEN:
            if self.directory.get(inode):
                self.changes.trashed.add(inode)
        else:
            self._put(target, entry.name(3), inode)

    def clone(self, entry: LogEntry) -> None:
        # No entry has the contents of a cloned directory, and it is visible before it is complete: ATTACH ends it.
        source, parent, inode = entry.number(0), entry.number(1), entry.number(3)
        directory = self.directory.get(source)
        if directory is None:
            self.changes.scan.add(parent)
        elif not directory:
            self.directory[inode] = False
            self._put(parent, entry.name(2), inode)
            self._write(inode, entry)

    def attach(self, entry: LogEntry) -> None:
        inode, parent = entry.number(0), entry.number(1)
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
    """The inodes that an entry gives a name to, and those that it clones."""
    if entry.operation == "MOVE":
        return {int(entry.result), entry.number(5)}
    return {entry.number(0)}
