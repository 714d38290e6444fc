"""Keeps programs in memory when caches are dropped, because only the data should be cold.

Otherwise, the JuiceFS daemon would reload its own code from the disk during the window or right before it. An emulated
machine would also translate that code again, which takes a third of the time to mount.
"""

import ctypes
import mmap
import shutil
from pathlib import Path

# Programs that run during an arm's turn: the daemon, those that its unit uses to mount and unmount, and the workloads'.
PROGRAMS = ("juicefs", "sh", "systemctl", "mountpoint", "umount", "findmnt", "fio", "iostat", "cat", "tcc")


def resident(programs: tuple[str, ...] = PROGRAMS) -> list[mmap.mmap]:
    """Map those pages of programs that are in memory into this process: the kernel does not drop mapped pages.

    All programs have run before: the volume is mounted, and facts() has read versions. The pages stay in memory as long
    as the mappings exist. Libraries are not mapped, and programs that are not installed are ignored.
    """
    found = [Path(path).resolve() for path in map(shutil.which, programs) if path is not None]
    return [mapped(file) for file in sorted(set(found))]


def mapped(file: Path) -> mmap.mmap:
    """Map a file, and touch those of its pages that are in memory. JuiceFS has 120 MB, but uses only a part of them."""
    with file.open("rb") as opened:
        mapping = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    for page in cached_pages(mapping):
        _ = mapping[page * mmap.PAGESIZE]
    return mapping


def cached_pages(mapping: mmap.mmap) -> list[int]:
    """Numbers of a mapped file's pages that are in the page cache. OSError if mincore(2) fails."""
    length = len(mapping)
    vector = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(length), vector) != 0:
        raise OSError(ctypes.get_errno(), "mincore")
    return [number for number, state in enumerate(vector) if state & 1]
