"""Reads directories of the volume whose contents are not in the log."""

import logging
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator

from disgrafs import names
from disgrafs.events.fold import HIDDEN
from disgrafs.graph.interface import Index
from disgrafs.graph.model import ROOT, Entry, Listed
from disgrafs.mount import Mount

PIECE = 1000

log = logging.getLogger(__name__)


def list_directory(mount: Mount, inode: int, path: str, excluded: Collection[bytes] = ()) -> Iterator[list[Listed]]:
    """Yields the files and directories in a directory, in pieces.

    No links, pipes, devices, JuiceFS's own files, and directories whose name is in `excluded`.
    """
    descriptor = mount.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if os.fstat(descriptor).st_ino != inode:
            raise FileNotFoundError(path)
        piece: list[Listed] = []
        with os.scandir(descriptor) as entries:
            for found in entries:
                try:
                    facts = found.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                directory = stat.S_ISDIR(facts.st_mode)
                if facts.st_ino >= HIDDEN or not (directory or stat.S_ISREG(facts.st_mode)):
                    continue
                if directory and os.fsencode(found.name) in excluded:
                    continue
                entry = Entry(facts.st_ino, directory)
                piece.append(Listed(names.stored(found.name), entry, facts.st_size, facts.st_mtime_ns))
                if len(piece) == PIECE:
                    yield piece
                    piece = []
        yield piece
    finally:
        os.close(descriptor)


def scan_directory(
    graph: Index, mount: Mount, inode: int, path: str, alive: Callable[[], None], excluded: Collection[bytes] = ()
) -> list[Listed]:
    """Updates the graph's entries of one directory; returns the directories in it."""
    generation = time.time_ns()
    inside: list[Listed] = []
    for piece in list_directory(mount, inode, path, excluded):
        graph.list_directory(inode, piece, generation, time.time())
        inside += [listed for listed in piece if listed.entry.directory]
        alive()
    graph.listed_directory(inode, generation)
    return inside


def walk(graph: Index, mount: Mount, alive: Callable[[], None], excluded: Collection[bytes] = ()) -> tuple[int, int]:
    """Reads every directory that is not excluded, and removes nodes that are in none. Returns the numbers of both."""
    count = 0
    waiting = [(ROOT, "")]
    while waiting:
        inode, path = waiting.pop()
        try:
            inside = scan_directory(graph, mount, inode, path, alive, excluded)
        except (FileNotFoundError, NotADirectoryError):
            # Removed or moved since its parent was read. The log from before the walk on says where it went.
            graph.scan_later(inode)
            continue
        count += 1
        graph.scanned(inode)
        waiting += [
            (x.entry.inode, f"{path}/{name}" if path else name) for x in inside for name in [names.real(x.name)]
        ]
    return count, graph.sweep()
