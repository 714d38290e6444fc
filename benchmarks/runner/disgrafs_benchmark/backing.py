"""What is in memory when a window of reads begins, and how fast the disk below it is."""

import mmap
import os
import time
from collections.abc import Iterable
from pathlib import Path

from .lifeline import CGROUP, Lifeline
from .mount import UNIT, ResetError
from .resident import cached_pages
from .system import read, run

# Reads of a file before its window: the first puts its blocks into the block cache, in the next ones an extension may
# look for them, and the last shows that it found them.
WARM_PASSES = 3
# Share of a file's pages that may stay in memory after they were dropped, such as pages that another CPU is adding.
LEFT_SHARE = 0.01
# systemd sets a limit some time after it has accepted it.
LIMIT_SECONDS = 10.0


def drop(files: Iterable[Path]) -> None:
    """Drop the pages of files from the page cache. ResetError if they stay there."""
    for file in files:
        left, pages = drop_pages(file)
        if left > max(1, LEFT_SHARE * pages):
            raise ResetError(f"{file}: {left} of {pages} pages stayed in memory")


def drop_pages(file: Path) -> tuple[int, int]:
    """Drop a file's pages; returns how many are left, and how many it has."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        # Pages that are not written yet cannot be dropped.
        os.fdatasync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        size = os.fstat(descriptor).st_size
        if size == 0:
            return 0, 0
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY) as mapping:
            return len(cached_pages(mapping)), -(-size // mmap.PAGESIZE)
    finally:
        os.close(descriptor)


def block_files(folders: Iterable[Path]) -> list[Path]:
    """The cached blocks in JuiceFS's cache folders."""
    return [file for folder in folders for file in sorted((folder / "raw").rglob("*")) if file.is_file()]


class SlowDisk:
    """Limits the reads a second of this node's disk, for JuiceFS and for fio.

    Both have a limit: who reads a block file depends on the arm.
    """

    def __init__(self, lifeline: Lifeline) -> None:
        self.lifeline = lifeline
        self.limited: list[str] = []

    def limit(self, folder: Path, reads: int) -> None:
        """Set the limit for the disk of a folder. ResetError if the kernel does not report it."""
        if self.lifeline.folder is None:
            raise ResetError("the workload has no cgroup whose reads could be limited")
        disk = device(folder)
        cgroups = {UNIT: CGROUP / control_group(UNIT), self.lifeline.folder.name: self.lifeline.folder}
        for unit, cgroup in cgroups.items():
            self.limited.append(unit)
            run(["systemctl", "set-property", "--runtime", unit, f"IOReadIOPSMax={disk} {reads}"])
            deadline = time.monotonic() + LIMIT_SECONDS
            while f"riops={reads}" not in (limits := read(cgroup / "io.max") or ""):
                if time.monotonic() > deadline:
                    raise ResetError(f"{unit} is not limited to {reads} reads a second: {limits!r}")
                time.sleep(0.02)

    def release(self, units: Iterable[str] = ()) -> None:
        """Remove the limits, and those that an agent that was killed may have left on `units`."""
        self.limited += units
        while self.limited:
            unit = self.limited[-1]
            # A scope that has ended took its limit with it.
            if unit == UNIT or self.lifeline.folder is not None:
                run(["systemctl", "set-property", "--runtime", unit, "IOReadIOPSMax="])
            # Only now: after an error, the next call tries again.
            self.limited.pop()


def device(folder: Path) -> str:
    """The block device of a folder's file system, or the folder itself if that has none (btrfs).

    systemd keeps an entry for each name that was ever given to it, also without a limit. Of two names of one disk, the
    entry without a limit can be the last that it writes.
    """
    number = folder.stat().st_dev
    return f"/dev/block/{os.major(number)}:{os.minor(number)}" if os.major(number) else str(folder)


def control_group(unit: str) -> str:
    """Path of a unit's cgroup below the root."""
    return run(["systemctl", "show", "-P", "ControlGroup", unit]).strip().lstrip("/")
