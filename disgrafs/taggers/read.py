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
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest
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
    """The result for one file: tags, a fault with its reason, or neither if the file's turn did not come."""

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


def _open(mount: Mount, work: Work) -> BinaryIO:
    """Opens a file, and has its first bytes in the kernel's cache."""
    file = os.fdopen(mount.open(work.path), "rb")
    with suppress(OSError):
        # An error is found again when the file is tagged.
        os.pread(file.fileno(), HEAD, 0)
    return file


def tag_file(mount: Mount, work: Work, opened: Future[BinaryIO] | None = None) -> Outcome:
    """Tags a file with any content, which may have been opened in advance. Raises if the volume's daemon is gone."""
    entry, before = OTHER, None
    try:
        with opened.result() if opened else _open(mount, work) as file:
            before = os.fstat(file.fileno())
            if before.st_ino != work.inode or not stat.S_ISREG(before.st_mode):
                return Outcome(work, OTHER.name, OTHER.version, fault=Fault.MOVED, reason="another file has its name")
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
        return _fault(work, entry, Fault.UNREADABLE if error.errno else Fault.CONTENT, error, before)
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
    work: Work, entry: Registered, fault: Fault, error: BaseException, read: os.stat_result | None = None
) -> Outcome:
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        reason = f"it needs more than {entry.memory_mib} MiB of memory"
    if isinstance(error, TookTooLong):
        reason = f"it takes more than {entry.seconds * SLOWNESS:.0f} s of computing"
    return Outcome(work, entry.name, entry.version, fault=fault, reason=_clean(reason)[:300], read=read)


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

    While one file is tagged, a thread opens the next one: that takes several requests to the volume's Redis and little
    CPU time. After an unreadable file that took long, the call returns, so that the results of those before it do not
    wait for more of that kind.
    """
    outcomes = []
    with Mount(mount_point) as mount, ThreadPoolExecutor(1) as ahead:
        opened = [ahead.submit(_open, mount, work) for work in items[:1]]
        for work, following in zip_longest(items, items[1:]):
            this = opened.pop()
            if following:
                opened.append(ahead.submit(_open, mount, following))
            begin = time.monotonic()
            # Memory may have been short because of the file before.
            again = isinstance(this.exception(), MemoryError)
            outcome = tag_file(mount, work, None if again else this)
            if outcome.fault is Fault.UNREADABLE and time.monotonic() - begin > SLOW_SECONDS:
                outcomes.append(replace(outcome, slow=True))
                break
            outcomes.append(outcome)
        for unused in opened:
            with suppress(OSError, MemoryError):
                unused.result().close()
    rest = items[len(outcomes) :]
    return outcomes + [Outcome(work, OTHER.name, OTHER.version) for work in rest]
