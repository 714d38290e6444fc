"""Tags one file within limits, independent of Ray (see ray_pool.py)."""

import errno
import os
import resource
import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from disgrafs.graph.model import Tag, Tagged, Work
from disgrafs.mount import Mount, NotMountedError
from disgrafs.taggers.kind import HEAD, kind_of
from disgrafs.taggers.table import OTHER, Registered, load, tagger_for
from disgrafs.taggers.tagger import Content, normalised

SLOWNESS = float(os.environ.get("DISGRAFS_SLOWNESS", "1"))
"""Factor for all time limits: more than 1 on emulated machines."""


SLOW_SECONDS = 5.0
"""A read that fails only after this time: JuiceFS has asked the store ten times for data that it does not have."""

OPENERS = 16
"""Threads that open the files of a call: files whose data is lost take 14 s each, but all together."""


class TookTooLong(BaseException):
    """The time limit for a file has expired."""


class Fault(Enum):
    """The reason why an attempt gave no tags."""

    MOVED = "moved"
    """It is missing, or is another file: the index will find it again."""
    UNREADABLE = "unreadable"
    """Its data could not be read; a client may still be uploading it."""
    LIMIT = "limit"
    """It exceeded the limit of memory or time, or its reader crashed."""
    CONTENT = "content"
    """Its content is invalid."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one file: tags, or a fault with its reason."""

    work: Work
    by: str
    by_version: int
    tagged: Tagged | None = None
    fault: Fault | None = None
    reason: str = ""
    read: os.stat_result | None = None
    """The file's state when it was opened, if it was."""
    slow: bool = False
    """It was unreadable, and that took SLOW_SECONDS."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The result of opening a file and of having its first bytes in the kernel's cache."""

    file: BinaryIO | OSError
    """The file, or why it could not be opened."""
    unread: OSError | None
    """Why its first bytes could not be read."""
    seconds: float
    """The time that it took."""


def _open(mount: Mount, work: Work) -> Opened:
    begin = time.monotonic()
    file: BinaryIO | OSError
    unread = None
    try:
        file = os.fdopen(mount.open(work.path), "rb")
        try:
            os.pread(file.fileno(), HEAD, 0)
        except OSError as error:
            unread = error
        except MemoryError:
            file.close()
            raise
    except OSError as error:
        file = error
    return Opened(file, unread, time.monotonic() - begin)


def tag_file(mount: Mount, work: Work, ahead: Future[Opened] | None = None) -> Outcome:
    """Tags a file with any content, which may be opened in advance. Raises if the volume's daemon is gone."""
    entry, before, begin = OTHER, None, time.monotonic()
    try:
        opened = ahead.result() if ahead else _open(mount, work)
        begin = time.monotonic() - opened.seconds
        if isinstance(opened.file, OSError):
            raise opened.file
        with opened.file as file:
            before = os.fstat(file.fileno())
            if before.st_ino != work.inode or not stat.S_ISREG(before.st_mode):
                return Outcome(work, OTHER.name, OTHER.version, fault=Fault.MOVED, reason="another file has its name")
            if opened.unread:
                raise opened.unread
            kind = kind_of(file, before.st_size)
            entry = tagger_for(kind)
            with _limits(entry):
                found = load(entry).tag(Content(file, before.st_size, kind.media_type, kind.name))
            after = os.fstat(file.fileno())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        return _fault(work, entry, Fault.MOVED, error)
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise NotMountedError(f"the volume's daemon is gone: {error}") from error
        # Libraries also raise it for invalid content, but then without an error number.
        slow = time.monotonic() - begin > SLOW_SECONDS
        return _fault(work, entry, Fault.UNREADABLE if error.errno else Fault.CONTENT, error, before, slow=slow)
    except (MemoryError, TookTooLong) as error:
        return _fault(work, entry, Fault.LIMIT, error, before)
    except Exception as error:
        return _fault(work, entry, Fault.CONTENT, error, before)
    tags = tuple(Tag(label, weight, entry.name, entry.version) for label, weight in normalised(found.labels))
    return Outcome(
        work,
        entry.name,
        entry.version,
        tagged=Tagged(
            inode=work.inode,
            version=work.version,
            by=entry.name,
            by_version=entry.version,
            kind=kind.media_type,
            size=after.st_size,
            mtime_ns=after.st_mtime_ns,
            tags=tags,
            facts={key: _clean(value) for key, value in found.facts.items()},
            note=found.note,
            settled=(before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size),
        ),
    )


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _fault(
    work: Work,
    entry: Registered,
    fault: Fault,
    error: BaseException,
    read: os.stat_result | None = None,
    *,
    slow: bool = False,
) -> Outcome:
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        reason = f"it needs more than {entry.memory_mib} MiB of memory"
    if isinstance(error, TookTooLong):
        reason = f"it takes more than {entry.seconds * SLOWNESS:.0f} s of computing"
    return Outcome(work, entry.name, entry.version, fault=fault, reason=_clean(reason)[:300], read=read, slow=slow)


@contextmanager
def _limits(entry: Registered) -> Iterator[None]:
    """Limits of memory and time for one file. The dispatcher ends a call that hangs in a library."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TookTooLong

    # Libraries and models are loaded first, by the tagger's constructor: they do not count against the file's limits.
    load(entry)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # CPU time, not elapsed time: on a busy machine, other programs' work would count otherwise.
    before = signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_DATA, (_data() + entry.memory_mib * 2**20, hard))
    signal.setitimer(signal.ITIMER_PROF, entry.seconds * SLOWNESS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        signal.signal(signal.SIGPROF, before)


def _data() -> int:
    """Private memory of this process in bytes, as counted for RLIMIT_DATA."""
    line = next(x for x in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if x.startswith("VmData"))
    return int(line.split()[1]) * 1024


def tag_files(mount_point: str, items: list[Work]) -> list[Outcome]:
    """Tags files. Raises NotMountedError if the volume is not mounted here, or its daemon ends meanwhile.

    While files are tagged, threads open the others: that takes several requests to the volume's Redis each, or many
    seconds if data is lost, and little CPU time.
    """
    with Mount(mount_point) as mount, ThreadPoolExecutor(OPENERS) as openers:
        ahead = [openers.submit(_open, mount, work) for work in items]
        try:
            return [_tag(mount, work, opened) for work, opened in zip(items, ahead, strict=True)]
        finally:
            for opened in ahead:
                _close(opened)


def _tag(mount: Mount, work: Work, ahead: Future[Opened]) -> Outcome:
    # Memory may have been short because of another file.
    again = isinstance(ahead.exception(), MemoryError)
    return tag_file(mount, work, None if again else ahead)


def _close(ahead: Future[Opened]) -> None:
    with suppress(MemoryError):
        file = ahead.result().file
        if not isinstance(file, OSError):
            file.close()
