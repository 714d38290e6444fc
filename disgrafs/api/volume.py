"""Files of the volume, by inode. A path from the graph is only a hint: the inode is checked before opening or deleting.

Each component of a path is opened below the previous one without following links, so no path leaves the volume.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from disgrafs.graph.model import ROOT

PEEK = 8192
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: if the name is a FIFO by now, opening it must not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Errors that mean that the path no longer leads to the file.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR}


class GoneError(Exception):
    """The path does not lead to that file at the moment."""


class VolumeError(Exception):
    """The volume does not answer correctly."""


@dataclass(slots=True)
class OpenFile:
    """An open file, which its owner must close."""

    descriptor: int
    status: os.stat_result

    @property
    def path(self) -> str:
        """A path to this open file, independent of its name."""
        return f"/proc/self/fd/{self.descriptor}"

    def peek(self) -> bytes:
        """The first bytes."""
        with _faults(self.path):
            return os.pread(self.descriptor, PEEK, 0)

    def close(self) -> None:
        """Can be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Volume:
    """The volume, where it is mounted."""

    def __init__(self, mount: Path, root: int = ROOT) -> None:
        self.mount = mount
        self._root = root

    def open(self, path: str, inode: int) -> OpenFile:
        """Opens the file with this inode at a path below the mount point."""
        with self._parent(path) as (directory, name), _faults(path):
            descriptor = os.open(name, _FILE, dir_fd=directory)
            status = os.fstat(descriptor)
            if status.st_ino == inode and stat.S_ISREG(status.st_mode):
                return OpenFile(descriptor, status)
            os.close(descriptor)
        raise GoneError(path)

    def delete(self, path: str, inode: int) -> None:
        """Removes a name of the file with this inode.

        Between the check and the removal another file could take the name: the kernel has no call for both. That is the
        time between two system calls.
        """
        with self._parent(path) as (directory, name), _faults(path):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if status.st_ino != inode or stat.S_ISDIR(status.st_mode):
                raise GoneError(path)
            os.unlink(name, dir_fd=directory)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The directory of a path, open, and the name in it."""
        *folders, name = path.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in (*folders, name)):
            raise GoneError(path)
        with _faults(path):
            directory = os.open(self.mount, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if os.fstat(directory).st_ino != self._root:
                raise VolumeError(f"the volume is not mounted at {self.mount}")
            for folder in folders:
                with _faults(path):
                    below = os.open(folder, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            yield directory, name
        finally:
            os.close(directory)


@contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise GoneError(path) from error
        raise VolumeError(f"the volume answered: {error.strerror}") from error


_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1b")


def shown_as(start: bytes) -> str | None:
    """The type by which a browser may show a file with these first bytes; None: only as a download.

    Plain text and pictures that are only pixels. Nothing that a browser runs: HTML and SVG are text here.
    """
    for magic, kind in _PICTURES:
        if start.startswith(magic):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    if start[4:12] in {b"ftypavif", b"ftypavis"}:
        return "image/avif"
    return "text/plain; charset=utf-8" if _is_text(start) else None


def _is_text(start: bytes) -> bool:
    if any(byte < 32 and byte not in _TEXT_CONTROLS for byte in start):
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be incomplete. Text in an older encoding is mostly ASCII.
        return error.start >= len(start) - 3 or sum(byte < 128 for byte in start) > 0.7 * len(start)
    return True
